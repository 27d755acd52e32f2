//! The wire as drivers use it: simple and extended protocol, text and binary, errors, cancel.

use blueshift_tests::client::{tls, try_connect_as};
use blueshift_tests::{Server, ServerOptions, connect, full};
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

#[tokio::test(flavor = "multi_thread")]
async fn statements_parameters_errors_and_cancel() {
    let mut server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;

    // Several statements per message.
    let messages = client
        .inner
        .simple_query("SELECT 1; SELECT 2; SELECT 3")
        .await
        .expect("three");
    let rows = messages
        .iter()
        .filter(|message| matches!(message, SimpleQueryMessage::Row(_)))
        .count();
    assert_eq!(rows, 3);

    // Parameters and results in binary.
    client
        .run("CREATE TABLE p (i INTEGER, b BIGINT, d DOUBLE PRECISION, t VARCHAR(20), f BOOLEAN)")
        .await;
    let statement = client
        .inner
        .prepare("INSERT INTO p VALUES ($1, $2, $3, $4, $5)")
        .await
        .expect("prepare insert");
    assert_eq!(statement.params().len(), 5);
    for number in 0..10_i32 {
        let text = format!("row {number}");
        client
            .inner
            .execute(
                &statement,
                &[
                    &number,
                    &(i64::from(number) << 40),
                    &(f64::from(number) / 4.0),
                    &text,
                    &(number % 2 == 0),
                ],
            )
            .await
            .expect("insert");
    }
    let rows = client
        .inner
        .query(
            "SELECT i, b, d, t, f FROM p WHERE i >= $1 AND t <> $2 ORDER BY i",
            &[&7_i32, &"row 8"],
        )
        .await
        .expect("select");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].get::<_, i32>(0), 9);
    assert_eq!(rows[1].get::<_, i64>(1), 9 << 40);
    assert_eq!(rows[1].get::<_, f64>(2), 2.25);
    assert_eq!(rows[1].get::<_, &str>(3), "row 9");
    assert!(!rows[1].get::<_, bool>(4));
    assert!(rows[0].try_get::<_, i32>(0).is_ok_and(|value| value == 7));
    assert!(rows.iter().all(|row| row.len() == 5));

    // An error has its code and its place, and the connection goes on.
    let error = client
        .inner
        .simple_query("SELECT nothing_here FROM p")
        .await
        .expect_err("no such column");
    let db = error.as_db_error().expect("from the server");
    assert_eq!(db.code(), &SqlState::UNDEFINED_COLUMN);
    assert!(db.position().is_some(), "{db:?}");
    let (code, _) = client.failure("SELEKT 1").await;
    assert_eq!(code, "42601");
    let (code, _) = client.failure("SELECT * FROM no_such_table").await;
    assert_eq!(code, "42P01");
    let (code, text) = client.failure("SELECT 1 / 0").await;
    assert_eq!(code, "22012", "{text}");
    assert_eq!(client.value("SELECT 1").await, "1");

    // A failed transaction block refuses until its end.
    client.run("BEGIN").await;
    client.failure("SELECT * FROM no_such_table").await;
    let (code, _) = client.failure("SELECT 1").await;
    assert_eq!(code, "25P02");
    client.run("ROLLBACK").await;
    assert_eq!(client.value("SELECT 1").await, "1");

    // Cancel reaches a running statement.
    client.run("CREATE TABLE n (a INTEGER)").await;
    let values: Vec<String> = (0..2_000).map(|number| format!("({number})")).collect();
    client
        .run(&format!("INSERT INTO n VALUES {}", values.join(",")))
        .await;
    let token = client.inner.cancel_token();
    let running = tokio::spawn(async move {
        let result = client
            .inner
            .simple_query("SELECT count(*) FROM n a, n b, n c WHERE a.a + b.a + c.a < 0")
            .await;
        (client, result)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    token.cancel_query(tls()).await.expect("cancel");
    let (client, result) = running.await.expect("task");
    let error = result.expect_err("it was canceled");
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{error:?}");
    assert_eq!(client.value("SELECT 1").await, "1");

    // Logins.
    let wrong = try_connect_as(server.port, "admin", "wrong", "dev")
        .await
        .err()
        .expect("refused");
    assert_eq!(wrong.code(), Some(&SqlState::INVALID_PASSWORD), "{wrong:?}");
    let nobody = try_connect_as(server.port, "nobody", "wrong", "dev")
        .await
        .err()
        .expect("refused");
    assert_eq!(
        nobody.code(),
        Some(&SqlState::INVALID_PASSWORD),
        "{nobody:?}"
    );
    let nowhere = try_connect_as(
        server.port,
        "admin",
        blueshift_tests::server::PASSWORD,
        "nowhere",
    )
    .await
    .err()
    .expect("refused");
    assert_eq!(
        nowhere.code(),
        Some(&SqlState::INVALID_CATALOG_NAME),
        "{nowhere:?}"
    );

    assert!(server.is_alive());
    drop(client);
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_statements_are_answered_or_refused_and_memory_is_bounded() {
    let mut server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    let depth = 100_000;
    let nested = format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
    let (code, text) = client.failure(&nested).await;
    assert_eq!(code, "54001", "{text}");
    let too_long = format!("SELECT LENGTH('{}')", "x".repeat(17 << 20));
    let (code, text) = client.failure(&too_long).await;
    assert_eq!(code, "54000", "{text}");
    let count = if full() { 1_000_000 } else { 50_000 };
    // In full, 15 bytes an item: a text of just under 16 MB.
    let items: Vec<String> = (0..count).map(|item| format!("{item:014}")).collect();
    let listed = format!("SELECT 7 IN ({})", items.join(","));
    assert_eq!(client.value(&listed).await, "t");
    assert_eq!(client.value("SELECT 1").await, "1");
    assert!(server.is_alive());
    assert!(server.peak_memory_bytes() < 2 << 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_idle_for_too_long_end() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client
        .run("SET idle_in_transaction_session_timeout TO 1")
        .await;
    assert_eq!(client.value("SELECT 1").await, "1");
    client.run("BEGIN").await;
    while !client.inner.is_closed() {
        tokio::task::yield_now().await;
    }
    let again = connect(server.port).await;
    again.run("SET statement_timeout TO 50").await;
    again
        .run("CREATE TABLE n (a INTEGER); INSERT INTO n VALUES (1),(2),(3),(4),(5),(6),(7),(8)")
        .await;
    let (code, text) = again
        .failure(
            "SELECT SUM(a.a) FROM n a, n b, n c, n d, n e, n f, n g, n h, n i WHERE a.a + i.a > 3",
        )
        .await;
    assert_eq!(code, "57014", "{text}");
    assert!(text.contains("canceled on user's request"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_small_inserts_are_whole_and_in_order() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE batch (id BIGINT, word VARCHAR(12), price DECIMAL(8,2))")
        .await;
    // More statements of text than are gathered at once, in one message.
    let mut script = "BEGIN;".to_string();
    for id in 0..3_000 {
        script += &format!(
            "INSERT INTO batch VALUES ({id}, 'word {}', {}.5);",
            id % 7,
            id % 10
        );
    }
    script += "SELECT count(*) FROM batch; COMMIT";
    let messages = client.inner.simple_query(&script).await.expect("script");
    let done = messages
        .iter()
        .filter(|message| matches!(message, SimpleQueryMessage::CommandComplete(1)))
        .count();
    assert_eq!(done, 3_001, "one row each, and the one of the count");
    assert_eq!(
        client.value("SELECT count(DISTINCT id) FROM batch").await,
        "3000"
    );

    // Prepared and sent without waiting, with answers in order.
    let plain = client
        .inner
        .prepare("INSERT INTO batch (word, id) VALUES ($2, $1)")
        .await
        .expect("prepare");
    assert_eq!(plain.params(), [Type::INT8, Type::VARCHAR]);
    client.run("BEGIN").await;
    let word = |id: i64| format!("new {}", id % 3);
    let rows = (10_000..12_500_i64).map(|id| {
        let (client, plain) = (&client.inner, &plain);
        async move { client.execute(plain, &[&id, &word(id)]).await }
    });
    let counts = futures::future::try_join_all(rows).await.expect("batch");
    assert!(counts.iter().all(|rows| *rows == 1));
    client.run("COMMIT").await;
    let sums = "SELECT count(*), count(DISTINCT id), max(id) FROM batch WHERE word LIKE 'new%'";
    assert_eq!(client.rows(sums).await, ["2500|2500|12499"]);

    // One that fails in the middle ends the batch: those behind it are refused, nothing is kept.
    client.run("BEGIN").await;
    let rows = (0..50_i64).map(|id| {
        let (client, plain) = (&client.inner, &plain);
        let word = if id == 20 {
            "far too long a word".to_string()
        } else {
            word(id)
        };
        async move { client.execute(plain, &[&id, &word]).await }
    });
    let outcomes = futures::future::join_all(rows).await;
    for (id, outcome) in outcomes.iter().enumerate() {
        let code = outcome
            .as_ref()
            .err()
            .and_then(|error| error.code())
            .map(SqlState::code);
        let expected = match id {
            0..20 => None,
            20 => Some("22001"),
            _ => Some("25P02"),
        };
        assert_eq!(code, expected, "row {id}");
    }
    client.run("ROLLBACK").await;
    assert_eq!(client.value("SELECT count(*) FROM batch").await, "5500");
    assert_eq!(
        client
            .value(
                "SELECT count(*) FROM stl_query WHERE querytxt LIKE 'INSERT INTO batch VALUES (%'"
            )
            .await,
        "3000"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_have_the_type_of_what_they_become() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE typed (i INTEGER, b BIGINT, d DATE, n DECIMAL(9,3), t VARCHAR(9))")
        .await;
    for (sql, expected) in [
        ("VALUES ($1::bigint)", vec![Type::INT8]),
        (
            "SELECT CAST($1 AS date), $2::timestamp, $3::double precision",
            vec![Type::DATE, Type::TIMESTAMP, Type::FLOAT8],
        ),
        (
            "SELECT $1::smallint + 1, $2::boolean, $3::varchar(5), $4",
            vec![Type::INT2, Type::BOOL, Type::VARCHAR, Type::VARCHAR],
        ),
        ("SELECT $1::int, $1::bigint", vec![Type::INT4]),
        (
            "SELECT * FROM typed WHERE i = $1 AND b BETWEEN $2 AND $3 AND d IN ($4) AND t LIKE $5",
            vec![
                Type::INT4,
                Type::INT8,
                Type::INT8,
                Type::DATE,
                Type::VARCHAR,
            ],
        ),
        (
            "SELECT * FROM typed WHERE i = $1::bigint LIMIT $2",
            vec![Type::INT8, Type::INT8],
        ),
        (
            "UPDATE typed SET b = $1, n = $2, d = $3 WHERE i = $4",
            vec![Type::INT8, Type::NUMERIC, Type::DATE, Type::INT4],
        ),
        (
            "DELETE FROM typed WHERE n < $1 OR t = $2",
            vec![Type::NUMERIC, Type::VARCHAR],
        ),
        (
            "INSERT INTO typed VALUES ($1, $2, $3, $4, $5)",
            vec![
                Type::INT4,
                Type::INT8,
                Type::DATE,
                Type::NUMERIC,
                Type::VARCHAR,
            ],
        ),
        (
            "INSERT INTO typed (t, i) SELECT $1, $2::int",
            vec![Type::VARCHAR, Type::INT4],
        ),
    ] {
        let statement = client.inner.prepare(sql).await.expect(sql);
        assert_eq!(statement.params(), expected, "{sql}");
    }
    let limited =
        "SELECT * FROM (SELECT 1 AS a UNION ALL SELECT 2) q ORDER BY a LIMIT $1 OFFSET $2";
    let rows = client
        .inner
        .query(limited, &[&1_i64, &1_i64])
        .await
        .expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, i32>(0), 2);
    let rows = client
        .inner
        .query("VALUES ($1::bigint)", &[&(7_i64 << 40)])
        .await;
    assert_eq!(rows.expect("rows")[0].get::<_, i64>(0), 7 << 40);
}

/// Joins that make many rows of few, or let none of them through, would hold a thread for hours.
#[tokio::test(flavor = "multi_thread")]
async fn endless_joins_stop_and_let_others_run() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    let digits = "SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9";
    client.run(&format!("CREATE TABLE digit AS {digits}")).await;
    client
        .run(
            "CREATE TABLE many AS SELECT (a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d)::int AS n, 1 AS one \
             FROM digit a, digit b, digit c, digit e, digit f",
        )
        .await;
    let endless = [
        "SELECT sum(a.n + c.n) FROM many a, many b, many c",
        "SELECT count(*) FROM many a, many b, many c WHERE a.n <> b.n + c.n",
        "SELECT count(*) FROM many a JOIN many b ON a.one = b.one JOIN many c ON b.one = c.one WHERE a.n + b.n > -c.n",
        "SELECT count(*) FROM many a JOIN many b ON a.n + b.n < 0 AND a.n - b.n > 5",
        "SELECT count(*) FROM many a JOIN many b ON a.one = b.one AND a.n + b.n < 0",
        "SELECT count(*) FROM many a LEFT JOIN many b ON a.one = b.one AND a.n + b.n < 0 WHERE b.n IS NOT NULL OR a.n > 5",
        "SELECT count(*) FROM many a WHERE EXISTS (SELECT 1 FROM many b WHERE a.one = b.one AND a.n + b.n < 0)",
        "SELECT count(*) FROM (SELECT a.n FROM many a, many b WHERE a.n + b.n < 0 UNION ALL SELECT n FROM many) x",
        "CREATE TABLE never AS SELECT a.n FROM many a, many b, many c WHERE a.n + b.n < c.n",
        "SELECT max(a.n || b.n::text) FROM many a, many b, many c",
        "SELECT a.n, b.n FROM many a, many b, many c ORDER BY a.n + b.n, c.n LIMIT 5",
    ];
    client.run("SET statement_timeout TO 300").await;
    let calm = connect(server.port).await;
    let mut others = Vec::new();
    for text in endless {
        let other = connect(server.port).await;
        others.push(tokio::spawn(async move {
            other.run("SET statement_timeout TO 2000").await;
            other.failure(text).await.0
        }));
    }
    for text in endless {
        assert_eq!(client.failure(text).await.0, "57014", "{text}");
        assert_eq!(calm.value("SELECT sum(d) FROM digit").await, "45");
    }
    for other in others {
        assert_eq!(other.await.expect("no panic"), "57014");
    }
}
