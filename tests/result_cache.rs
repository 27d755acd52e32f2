//! The cache of results: what an earlier result may answer, and everything after which a query is computed anew.

use blueshift_tests::client::try_connect_as;
use blueshift_tests::{Client, Server, ServerOptions, connect};

/// Whether the last query that ran on slices, or was answered in its place, was answered by an earlier result.
async fn was_answered(client: &Client) -> bool {
    let last = "SELECT result_cache_hit FROM sys_query_history WHERE query_id = pg_last_query_id()";
    client.value(last).await == "t"
}

/// Runs a query that must be computed, with its answer.
async fn computed(client: &Client, sql: &str, expected: &[&str]) {
    assert_eq!(client.rows(sql).await, expected, "{sql}");
    assert!(!was_answered(client).await, "not computed: {sql}");
}

/// Runs a query that an earlier result must answer.
async fn answered(client: &Client, sql: &str, expected: &[&str]) {
    assert_eq!(client.rows(sql).await, expected, "{sql}");
    assert!(was_answered(client).await, "computed: {sql}");
}

/// Runs a query twice: the second time its own result answers it.
async fn anew(client: &Client, sql: &str, expected: &[&str]) {
    computed(client, sql, expected).await;
    answered(client, sql, expected).await;
}

/// Runs a query twice that no result ever answers.
async fn never(client: &Client, sql: &str) {
    for _ in 0..2 {
        client.rows(sql).await;
        assert!(!was_answered(client).await, "answered: {sql}");
    }
}

async fn start() -> (Server, Client) {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE t (k INTEGER, v VARCHAR(20))")
        .await;
    client
        .run("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)")
        .await;
    (server, client)
}

const SUM: &str = "SELECT count(*), sum(k) FROM t";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_table_is_seen_at_once() {
    let (server, client) = start().await;
    let other = connect(server.port).await;
    anew(&client, SUM, &["3|6"]).await;
    // The text may be another, the plan may not.
    answered(
        &other,
        "select  COUNT(*), /* again */ sum(K) from T",
        &["3|6"],
    )
    .await;
    computed(
        &other,
        "SELECT count(*), sum(k) FROM t WHERE k > 0",
        &["3|6"],
    )
    .await;
    for (change, sum) in [
        ("INSERT INTO t VALUES (4, 'four')", "4|10"),
        ("UPDATE t SET k = 5 WHERE k = 4", "4|11"),
        ("DELETE FROM t WHERE k = 5", "3|6"),
        ("TRUNCATE t", "0|NULL"),
        ("INSERT INTO t VALUES (7, 'seven')", "1|7"),
    ] {
        other.run(change).await;
        anew(&client, SUM, &[sum]).await;
    }
    // What changes elsewhere changes nothing.
    other.run("CREATE TABLE elsewhere AS SELECT 1 AS a").await;
    answered(&client, SUM, &["1|7"]).await;
    other.run("DROP TABLE t").await;
    let (code, _) = client.failure(SUM).await;
    assert_eq!(code, "42P01");
    other.run("CREATE TABLE t (k BIGINT, v VARCHAR(20))").await;
    anew(&client, SUM, &["0|NULL"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_views_mean_what_they_mean_now() {
    let (_server, client) = start().await;
    client.run("CREATE TABLE two (a INTEGER, b INTEGER)").await;
    client.run("INSERT INTO two VALUES (1, 2)").await;
    anew(&client, "SELECT a, b FROM two", &["1|2"]).await;
    // What is the same plan is the same question.
    answered(&client, "SELECT * FROM two", &["1|2"]).await;
    for change in [
        "ALTER TABLE two RENAME COLUMN a TO c",
        "ALTER TABLE two RENAME COLUMN b TO a",
        "ALTER TABLE two RENAME COLUMN c TO b",
    ] {
        client.run(change).await;
    }
    anew(&client, "SELECT a, b FROM two", &["2|1"]).await;
    client
        .run("ALTER TABLE two ADD COLUMN d INTEGER DEFAULT 9")
        .await;
    anew(&client, "SELECT * FROM two", &["1|2|9"]).await;
    client
        .run("CREATE VIEW over_t AS SELECT count(*) AS n FROM t")
        .await;
    anew(&client, "SELECT n FROM over_t", &["3"]).await;
    client.run("INSERT INTO t VALUES (4, 'four')").await;
    anew(&client, "SELECT n FROM over_t", &["4"]).await;
    client
        .run("CREATE OR REPLACE VIEW over_t AS SELECT count(*) AS n FROM t WHERE k > 1")
        .await;
    anew(&client, "SELECT n FROM over_t", &["3"]).await;
    client
        .run("CREATE FUNCTION twice(INTEGER) RETURNS INTEGER IMMUTABLE AS $$ SELECT $1 * 2 $$ LANGUAGE sql")
        .await;
    anew(&client, "SELECT max(twice(k)) FROM t", &["8"]).await;
    client
        .run("CREATE OR REPLACE FUNCTION twice(INTEGER) RETURNS INTEGER IMMUTABLE AS $$ SELECT $1 * 3 $$ LANGUAGE sql")
        .await;
    anew(&client, "SELECT max(twice(k)) FROM t", &["12"]).await;
    // One name is another table on another path.
    client.run("CREATE SCHEMA there").await;
    client.run("CREATE TABLE there.t (k INTEGER)").await;
    anew(&client, SUM, &["4|10"]).await;
    client.run("SET search_path TO there").await;
    anew(&client, SUM, &["0|NULL"]).await;
    client.run("SET search_path TO public, there").await;
    answered(&client, SUM, &["4|10"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_and_policies_are_those_of_now() {
    let (server, admin) = start().await;
    admin.run("CREATE USER bob PASSWORD 'Name_is_bob_1'").await;
    let bob = try_connect_as(server.port, "bob", "Name_is_bob_1", "dev").await;
    let bob = bob.expect("bob connects");
    anew(&admin, SUM, &["3|6"]).await;
    assert_eq!(bob.failure(SUM).await.0, "42501");
    admin.run("GRANT SELECT ON t TO bob").await;
    // Another user's question is another.
    anew(&bob, SUM, &["3|6"]).await;
    admin.run("REVOKE SELECT ON t FROM bob").await;
    assert_eq!(bob.failure(SUM).await.0, "42501");
    admin.run("GRANT SELECT (k) ON t TO bob").await;
    computed(&bob, "SELECT * FROM t WHERE k = 1", &["1"]).await;
    admin.run("REVOKE SELECT (k) ON t FROM bob").await;
    admin.run("GRANT SELECT ON t TO bob").await;
    anew(&bob, "SELECT * FROM t WHERE k = 1", &["1|one"]).await;
    for (change, sum) in [
        ("CREATE RLS POLICY few WITH (k INTEGER) USING (k < 3)", None),
        ("ATTACH RLS POLICY few ON t TO bob", None),
        ("ALTER TABLE t ROW LEVEL SECURITY ON", Some("2|3")),
        ("ALTER RLS POLICY few USING (k = 3)", Some("1|3")),
        ("DETACH RLS POLICY few ON t FROM bob", Some("0|NULL")),
    ] {
        admin.run(change).await;
        if let Some(sum) = sum {
            anew(&bob, SUM, &[sum]).await;
            answered(&admin, SUM, &["3|6"]).await;
        }
    }
    admin.run("ALTER TABLE t ROW LEVEL SECURITY OFF").await;
    let texts = "SELECT v FROM t WHERE k = 1";
    anew(&bob, texts, &["one"]).await;
    for (change, shown) in [
        (
            "CREATE MASKING POLICY hide WITH (v VARCHAR(20)) USING ('x'::VARCHAR(20))",
            None,
        ),
        ("ATTACH MASKING POLICY hide ON t(v) TO bob", Some("x")),
        (
            "ALTER MASKING POLICY hide USING ('y'::VARCHAR(20))",
            Some("y"),
        ),
    ] {
        admin.run(change).await;
        if let Some(shown) = shown {
            anew(&bob, texts, &[shown]).await;
        }
    }
    admin
        .run("DETACH MASKING POLICY hide ON t(v) FROM bob")
        .await;
    answered(&bob, texts, &["one"]).await;
    // A policy that asks who there is.
    admin
        .run("CREATE RLS POLICY own WITH (v VARCHAR(20)) USING (v = current_setting('app.name'))")
        .await;
    admin.run("ATTACH RLS POLICY own ON t TO bob").await;
    admin.run("ALTER TABLE t ROW LEVEL SECURITY ON").await;
    bob.run("SET app.name TO 'one'").await;
    anew(&bob, SUM, &["1|1"]).await;
    bob.run("SET app.name TO 'two'").await;
    anew(&bob, SUM, &["1|2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_answers_are_part_of_the_question() {
    let (_server, client) = start().await;
    client.run("CREATE TABLE moments (at TIMESTAMPTZ)").await;
    client
        .run("INSERT INTO moments VALUES ('2024-01-01 12:00:00+00')")
        .await;
    let text = "SELECT at::TIMESTAMP FROM moments";
    anew(&client, text, &["2024-01-01 12:00:00"]).await;
    client.run("SET TimeZone TO 'Asia/Tokyo'").await;
    anew(&client, text, &["2024-01-01 21:00:00"]).await;
    client.run("RESET TimeZone").await;
    answered(&client, text, &["2024-01-01 12:00:00"]).await;
    client.run("CREATE TABLE texts (d VARCHAR(20))").await;
    client.run("INSERT INTO texts VALUES ('02/03/2024')").await;
    let date = "SELECT d::DATE FROM texts";
    anew(&client, date, &["2024-02-03"]).await;
    client.run("SET DateStyle TO 'ISO, DMY'").await;
    anew(&client, date, &["2024-03-02"]).await;
    client.run("RESET DateStyle").await;
    // These change nothing.
    for change in [
        "SET query_group TO 'mine'",
        "SET application_name TO 'another'",
        "SET statement_timeout TO 60000",
    ] {
        client.run(change).await;
        answered(&client, date, &["2024-02-03"]).await;
    }
    client
        .run("SET enable_result_cache_for_session TO off")
        .await;
    never(&client, date).await;
    client.run("RESET enable_result_cache_for_session").await;
    answered(&client, date, &["2024-02-03"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_each_time_is_computed_each_time() {
    let (_server, client) = start().await;
    client.run("CREATE TEMP TABLE own AS SELECT 1 AS a").await;
    client
        .run("CREATE TABLE wide AS SELECT k, repeat('x', 60000) AS v FROM t")
        .await;
    for sql in [
        "SELECT count(*), random() FROM t",
        "SELECT k FROM t WHERE random() < 2 ORDER BY k",
        "SELECT count(*), getdate() FROM t",
        "SELECT count(*) FROM t WHERE sysdate > '2020-01-01'",
        "SELECT count(*) FROM t WHERE current_date > '2020-01-01'::date",
        "SELECT count(*) FROM t WHERE 'now'::timestamp > '2020-01-01'",
        "SELECT a FROM own",
        "SELECT count(*) FROM t, own",
        // More than a megabyte.
        "SELECT a.v FROM wide a, wide b, wide c",
    ] {
        never(&client, sql).await;
    }
    client.run("BEGIN").await;
    client
        .run("DECLARE c CURSOR FOR SELECT k FROM t ORDER BY k")
        .await;
    assert_eq!(client.rows("FETCH ALL FROM c").await, ["1", "2", "3"]);
    client.run("COMMIT").await;
    computed(&client, "SELECT k FROM t ORDER BY k", &["1", "2", "3"]).await;
    // Answers of no rows, and with one column twice.
    anew(&client, "SELECT k, k FROM t WHERE k > 5", &[]).await;
    anew(&client, "SELECT k, k FROM t WHERE k = 1", &["1|1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_answered_by_what_it_sees() {
    let (server, client) = start().await;
    let other = connect(server.port).await;
    anew(&client, SUM, &["3|6"]).await;
    other.run("BEGIN").await;
    answered(&other, SUM, &["3|6"]).await;
    client.run("INSERT INTO t VALUES (4, 'four')").await;
    anew(&client, SUM, &["4|10"]).await;
    // The older view is neither answered by the newer result nor put in its place.
    computed(&other, SUM, &["3|6"]).await;
    computed(&other, SUM, &["3|6"]).await;
    answered(&client, SUM, &["4|10"]).await;
    other.run("COMMIT").await;
    answered(&other, SUM, &["4|10"]).await;
    // Own changes are seen by nobody else.
    other.run("BEGIN").await;
    other.run("INSERT INTO t VALUES (5, 'five')").await;
    computed(&other, SUM, &["5|15"]).await;
    computed(&other, SUM, &["5|15"]).await;
    answered(&client, SUM, &["4|10"]).await;
    other.run("ROLLBACK").await;
    answered(&other, SUM, &["4|10"]).await;
    other.run("BEGIN").await;
    other.run("DELETE FROM t WHERE k = 4").await;
    other.run("COMMIT").await;
    anew(&client, SUM, &["3|6"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_parameters_are_part_of_the_question() {
    let (_server, client) = start().await;
    let sql = "SELECT v FROM t WHERE k = $1";
    let statement = client.inner.prepare(sql).await.expect("prepared");
    for (hits, value, expected) in [
        (false, 1, Some("one")),
        (false, 2, Some("two")),
        (true, 1, Some("one")),
        (false, 3, None),
        (true, 3, None),
    ] {
        let row = client.inner.query_one(&statement, &[&value]).await;
        let row = row.expect("a row");
        assert_eq!(row.get::<_, Option<&str>>(0), expected);
        assert_eq!(was_answered(&client).await, hits, "{value}");
    }
    client
        .run("PREPARE one(INTEGER) AS SELECT v FROM t WHERE k = $1")
        .await;
    client.rows("EXECUTE one(2)").await;
    answered(&client, "EXECUTE one(2)", &["two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_changes_and_readers_agree_with_the_cache_and_without() {
    let (server, client) = start().await;
    let plain = connect(server.port).await;
    plain
        .run("SET enable_result_cache_for_session TO off")
        .await;
    let writer = connect(server.port).await;
    let queries = [
        "SELECT count(*), sum(k), max(v) FROM t",
        "SELECT k % 3, count(*) FROM t GROUP BY 1 ORDER BY 1",
        "SELECT a.k FROM t a JOIN t b ON a.k = b.k + 1 ORDER BY 1 LIMIT 20",
    ];
    for round in 0..40 {
        match round % 4 {
            0 => {
                writer
                    .run(&format!("INSERT INTO t VALUES ({round}, 'r')"))
                    .await
            }
            1 => {
                writer
                    .run(&format!(
                        "UPDATE t SET k = k + 1 WHERE k % 5 = {}",
                        round % 5
                    ))
                    .await
            }
            2 => {
                writer
                    .run(&format!("DELETE FROM t WHERE k % 7 = {}", round % 7))
                    .await
            }
            _ => {}
        }
        for query in queries {
            assert_eq!(client.rows(query).await, plain.rows(query).await, "{query}");
        }
    }
}
