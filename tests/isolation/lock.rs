//! LOCK, waits for locks, what ends them, and what the system tables tell of them.

use super::{Script, answer, refusal};
use blueshift_tests::{Server, ServerOptions};

async fn start() -> Server {
    Server::start(ServerOptions {
        slices: Some(2),
        ..ServerOptions::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_keeps_readers_and_writers_out_until_the_transaction_ends() {
    let server = start().await;
    let (one, two, watch) = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    one.run("CREATE TABLE t (a INTEGER); CREATE TABLE u (a INTEGER)")
        .await;
    one.run("INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT a FROM t")
        .await;
    for end in ["COMMIT", "ROLLBACK"] {
        for (statement, rows) in [
            ("SELECT count(*) FROM t", vec!["1"]),
            (
                "SELECT count(*) FROM v WHERE a IN (SELECT a FROM u)",
                vec!["0"],
            ),
            ("INSERT INTO u SELECT a FROM v WHERE a > 5", vec![]),
            ("UPDATE t SET a = a", vec![]),
            ("LOCK u, t", vec![]),
        ] {
            one.run("BEGIN; LOCK TABLE t").await;
            // What others have locked, the owner uses, and other tables anybody.
            assert_eq!(one.rows("SELECT a FROM t").await, ["1"]);
            assert_eq!(two.rows("SELECT count(*) FROM u").await, ["0"]);
            let waiting = two.send_blocked(statement, &watch).await;
            one.run(end).await;
            assert_eq!(answer(waiting).await, rows, "{statement}");
        }
    }
    // A first statement sees what was committed while it waited, in a block too.
    one.run("BEGIN; LOCK t; INSERT INTO t VALUES (2)").await;
    two.run("BEGIN").await;
    let waiting = two.send_blocked("SELECT count(*) FROM t", &watch).await;
    one.run("COMMIT").await;
    assert_eq!(answer(waiting).await, ["2"]);
    // LOCK waits for who has read the table in an open transaction.
    let waiting = one.send_blocked("LOCK t", &watch).await;
    two.run("COMMIT").await;
    answer(waiting).await;
    let (code, text) = one.failure("LOCK v").await;
    assert_eq!(code, "42809", "{text}");
    let (code, _) = one.failure("LOCK nothing").await;
    assert_eq!(code, "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_statement_works_on_what_it_waited_for() {
    let server = start().await;
    let (one, two, watch) = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    one.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2)")
        .await;
    one.run("BEGIN; DELETE FROM t WHERE a = 1").await;
    two.run("BEGIN").await;
    let waiting = two.send_blocked("DELETE FROM t", &watch).await;
    one.run("INSERT INTO t VALUES (3); COMMIT").await;
    answer(waiting).await;
    two.run("COMMIT").await;
    assert_eq!(watch.rows("SELECT count(*) FROM t").await, ["0"]);
    // A query of no table takes no view.
    one.run("BEGIN; SELECT 1").await;
    two.run("CREATE TABLE later (a INTEGER)").await;
    assert_eq!(one.rows("SELECT count(*) FROM later").await, ["0"]);
    one.run("COMMIT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_by_timeout_cancel_and_deadlock() {
    let server = start().await;
    let (one, two, watch) = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    one.run("CREATE TABLE t (a INTEGER); CREATE TABLE u (a INTEGER)")
        .await;
    one.run("INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)")
        .await;
    one.run("BEGIN; LOCK t").await;
    for statement in [
        "SELECT * FROM t",
        "INSERT INTO t VALUES (2)",
        "LOCK t",
        "DROP TABLE t",
    ] {
        two.run("SET lock_timeout TO 20").await;
        let (code, text) = two.failure(statement).await;
        assert_eq!(code, "55P03", "{statement}: {text}");
        assert!(
            text.contains("canceling statement due to lock timeout"),
            "{text}"
        );
        two.run("RESET lock_timeout; SET statement_timeout TO 20")
            .await;
        let (code, text) = two.failure(statement).await;
        assert_eq!(code, "57014", "{statement}: {text}");
        two.run("RESET statement_timeout").await;
        let waiting = two.send_blocked(statement, &watch).await;
        two.client
            .inner
            .cancel_token()
            .cancel_query(blueshift_tests::client::tls())
            .await
            .expect("cancel");
        let (code, text) = refusal(waiting).await;
        assert_eq!(code, "57014", "{statement}: {text}");
        let waiting = two.send_blocked(statement, &watch).await;
        watch.run(&format!("CANCEL {} 'enough'", two.pid)).await;
        let (code, text) = refusal(waiting).await;
        assert_eq!((code.as_str(), text.as_str()), ("57014", "57014: enough"));
        let waiting = two.send_blocked(statement, &watch).await;
        let stop = format!("SELECT pg_cancel_backend({})", two.pid);
        assert_eq!(watch.rows(&stop).await, ["1"]);
        assert_eq!(refusal(waiting).await.0, "57014");
        // Who gave up stands in nobody's way.
        assert_eq!(
            watch.rows("SELECT count(*) FROM stv_locks").await,
            ["1"],
            "{statement}"
        );
    }
    one.run("ROLLBACK").await;

    for (first, second, crossed, back) in [
        (
            "UPDATE t SET a = 2",
            "UPDATE u SET a = 2",
            "DELETE FROM u",
            "DELETE FROM t",
        ),
        ("LOCK t", "LOCK u", "SELECT * FROM u", "SELECT * FROM t"),
        ("SELECT * FROM t", "SELECT * FROM u", "LOCK u", "LOCK t"),
    ] {
        one.run(&format!("BEGIN; {first}")).await;
        two.run(&format!("BEGIN; {second}")).await;
        let waiting = one.send_blocked(crossed, &watch).await;
        let (code, text) = two.failure(back).await;
        assert_eq!(code, "40P01", "{text}");
        assert!(text.contains("deadlock detected"), "{text}");
        answer(waiting).await;
        one.run("ROLLBACK").await;
        two.run("ROLLBACK").await;
    }
    let (code, text) = one.failure("CANCEL 999999").await;
    assert_eq!(code, "42704");
    assert!(text.contains("Session 999999 does not exist"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_session_gives_back_its_locks() {
    let server = start().await;
    let (one, two, watch) = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    one.run("CREATE TABLE t (a INTEGER); BEGIN; INSERT INTO t VALUES (1); LOCK t")
        .await;
    let waiting = two.send_blocked("SELECT count(*) FROM t", &watch).await;
    let held = "SELECT lock_owner_pid, trim(lock_status) FROM stv_locks";
    let holds = format!("{}|Holding write lock", one.pid);
    assert_eq!(watch.rows(held).await, [holds.clone(), holds]);
    let shown = format!(
        "SELECT txn_owner, txn_db, lock_mode, granted FROM svv_transactions \
         WHERE pid IN ({}, {}) AND lockable_object_type = 'relation' ORDER BY lock_mode",
        one.pid, two.pid
    );
    assert_eq!(
        watch.rows(&shown).await,
        [
            "admin|dev|AccessExclusiveLock|t",
            "admin|dev|AccessShareLock|f",
            "admin|dev|RowExclusiveLock|t"
        ]
    );
    watch
        .run("CREATE USER guest PASSWORD 'Guest-password-1'")
        .await;
    let guest =
        blueshift_tests::client::try_connect_as(server.port, "guest", "Guest-password-1", "dev")
            .await
            .expect("connect");
    for stop in ["pg_cancel_backend", "pg_terminate_backend"] {
        let (code, _) = guest.failure(&format!("SELECT {stop}({})", one.pid)).await;
        assert_eq!(code, "42501");
    }
    assert_eq!(guest.rows("SELECT count(*) FROM stv_locks").await, ["0"]);
    let stop = format!("SELECT pg_terminate_backend({})", one.pid);
    // To explain is not to do.
    watch.run(&format!("EXPLAIN {stop}")).await;
    assert_eq!(one.rows("SELECT 1").await, ["1"]);
    assert_eq!(watch.rows(&stop).await, ["1"]);
    assert_eq!(answer(waiting).await, ["0"]);
    assert!(one.client.try_rows("SELECT 1").await.is_err());
    assert_eq!(
        watch.rows("SELECT pg_terminate_backend(999999)").await,
        ["0"]
    );
}
