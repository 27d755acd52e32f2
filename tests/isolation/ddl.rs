//! DDL is part of its transaction, TRUNCATE ends it, and temporary tables belong to their session.

use super::Script;
use blueshift_tests::{Server, ServerOptions};

async fn start() -> (Server, Script, Script) {
    let server = Server::start(ServerOptions {
        slices: Some(2),
        ..ServerOptions::default()
    })
    .await;
    let scripts = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    (server, scripts.0, scripts.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn ddl_is_seen_by_others_at_commit_and_leaves_no_trace_at_rollback() {
    let (_server, one, two) = start().await;
    one.run(
        "CREATE TABLE kept (a INTEGER, b VARCHAR(10)); INSERT INTO kept VALUES (1, 'x');
         CREATE VIEW shown AS SELECT a FROM kept; CREATE SCHEMA old",
    )
    .await;
    let changes = "CREATE SCHEMA s;
        CREATE TABLE s.made (a INTEGER); INSERT INTO s.made VALUES (7);
        CREATE VIEW s.view_made AS SELECT a FROM s.made;
        ALTER TABLE kept ADD COLUMN c INTEGER DEFAULT 5;
        ALTER TABLE kept RENAME COLUMN b TO d;
        COMMENT ON TABLE kept IS 'changed';
        CREATE USER new_user PASSWORD 'New-password-1';
        DROP VIEW shown; DROP SCHEMA old; ALTER TABLE kept RENAME TO renamed";
    let objects = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 's')
        UNION ALL SELECT schemaname, viewname FROM pg_views WHERE schemaname IN ('public', 's')
        UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname IN ('s', 'old')
        UNION ALL SELECT 'user', usename FROM pg_user ORDER BY 1, 2";
    let before = ["public|kept", "public|shown", "schema|old", "user|admin"];
    let after = [
        "public|renamed",
        "s|made",
        "s|view_made",
        "schema|s",
        "user|admin",
        "user|new_user",
    ];
    for (end, now) in [("ROLLBACK", &before[..]), ("COMMIT", &after[..])] {
        one.run(&format!("BEGIN; {changes}")).await;
        assert_eq!(one.rows(objects).await, after);
        assert_eq!(one.rows("SELECT a, d, c FROM renamed").await, ["1|x|5"]);
        assert_eq!(one.rows("SELECT a FROM s.view_made").await, ["7"]);
        // Nothing of it is seen outside, and what was there is read without waiting.
        assert_eq!(two.rows(objects).await, before);
        assert_eq!(two.rows("SELECT * FROM kept").await, ["1|x"]);
        assert_eq!(two.rows("SELECT * FROM shown").await, ["1"]);
        assert_eq!(two.failure("SELECT * FROM s.made").await.0, "3F000");
        one.run(end).await;
        assert_eq!(two.rows(objects).await, now);
        assert_eq!(one.rows(objects).await, now);
    }
    assert_eq!(two.rows("SELECT a, d, c FROM renamed").await, ["1|x|5"]);
    // A table dropped in a block is there again after its rollback, rows and all.
    one.run("BEGIN; DROP TABLE s.made CASCADE; CREATE TABLE s.made (z INTEGER); ROLLBACK")
        .await;
    assert_eq!(two.rows("SELECT a FROM s.view_made").await, ["7"]);
    // A reader goes on with a table that was dropped after it began.
    two.run("BEGIN; SELECT * FROM renamed").await;
    one.run("DROP TABLE renamed").await;
    assert_eq!(two.rows("SELECT count(*) FROM renamed").await, ["1"]);
    two.run("COMMIT").await;
    assert_eq!(two.failure("SELECT * FROM renamed").await.0, "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn truncate_commits_the_transaction_it_is_in() {
    let (_server, one, two) = start().await;
    one.run("CREATE TABLE t (a INTEGER); CREATE TABLE u (a INTEGER)")
        .await;
    one.run("INSERT INTO t VALUES (1), (2)").await;
    one.run("BEGIN; INSERT INTO u VALUES (5); TRUNCATE t").await;
    assert_eq!(two.rows("SELECT count(*) FROM t").await, ["0"]);
    assert_eq!(two.rows("SELECT a FROM u").await, ["5"]);
    one.run("ROLLBACK").await;
    assert_eq!(one.rows("SELECT count(*) FROM t").await, ["0"]);
    assert_eq!(one.rows("SELECT a FROM u").await, ["5"]);
    // A reader that began before still has the rows.
    one.run("INSERT INTO t VALUES (1), (2)").await;
    two.run("BEGIN").await;
    assert_eq!(two.rows("SELECT count(*) FROM t").await, ["2"]);
    one.run("TRUNCATE TABLE t").await;
    assert_eq!(two.rows("SELECT sum(a) FROM t").await, ["3"]);
    two.run("COMMIT").await;
    assert_eq!(two.rows("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_tables_are_their_session_s_own() {
    let (server, one, two) = start().await;
    one.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)")
        .await;
    one.run("CREATE TEMP TABLE t (b INTEGER); INSERT INTO t VALUES (10), (20)")
        .await;
    two.run("CREATE TEMPORARY TABLE t (c INTEGER)").await;
    // Each has its own, which covers up the table of the same name.
    assert_eq!(one.rows("SELECT sum(b) FROM t").await, ["30"]);
    assert_eq!(two.rows("SELECT count(c) FROM t").await, ["0"]);
    assert_eq!(one.rows("SELECT a FROM public.t").await, ["1"]);
    one.run(
        "CREATE TABLE #made AS SELECT b * 2 AS d FROM t; SELECT d + 1 AS e INTO #more FROM #made",
    )
    .await;
    one.run("SELECT d INTO TEMP even_more FROM #made").await;
    assert_eq!(
        one.rows("SELECT e FROM #more ORDER BY e").await,
        ["21", "41"]
    );
    assert_eq!(one.rows("SELECT count(*) FROM even_more").await, ["2"]);
    for name in ["#made", "#more", "even_more"] {
        assert_eq!(
            two.failure(&format!("SELECT * FROM {name}")).await.0,
            "42P01"
        );
    }
    // Made in a block that is rolled back, it is gone, and what it covered up is seen.
    one.run("DROP TABLE t").await;
    one.run("BEGIN; CREATE TEMP TABLE t AS SELECT 5 AS a; INSERT INTO t VALUES (6)")
        .await;
    assert_eq!(one.rows("SELECT sum(a) FROM t").await, ["11"]);
    one.run("ROLLBACK").await;
    assert_eq!(one.rows("SELECT a FROM t").await, ["1"]);
    one.run("TRUNCATE #made; ALTER TABLE #more RENAME TO less; DELETE FROM less WHERE e = 21")
        .await;
    assert_eq!(one.rows("SELECT e FROM less").await, ["41"]);
    assert_eq!(one.rows("SELECT count(*) FROM #made").await, ["0"]);
    // They end with their session.
    let pid = one.pid.clone();
    drop(one);
    let left = format!("SELECT count(*) FROM pg_namespace WHERE nspname = 'pg_temp_{pid}'");
    while two.rows(&left).await != ["0"] {}
    assert_eq!(two.rows("SELECT count(c) FROM t").await, ["0"]);
    // And with the server.
    let server = server.restart().await;
    let three = Script::begin(server.port).await;
    assert_eq!(three.rows("SELECT a FROM t").await, ["1"]);
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pg_temp%'";
    assert_eq!(three.rows(left).await, ["0"]);
}
