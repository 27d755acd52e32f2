//! What one session sees and may do while others change things.

use blueshift_tests::{Server, ServerOptions, connect};

/// A table altered since a transaction began stores rows another way: the transaction may read what it saw, and is
/// refused to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_planned_before_an_alter_is_a_conflict() {
    let server = Server::start(ServerOptions {
        slices: Some(4),
        ..ServerOptions::default()
    })
    .await;
    let (one, other) = (connect(server.port).await, connect(server.port).await);
    for change in [
        "ALTER TABLE t ALTER DISTKEY b",
        "ALTER TABLE t ADD COLUMN c INTEGER",
        "ALTER TABLE t DROP COLUMN c",
        "ALTER TABLE t ALTER SORTKEY (b)",
    ] {
        if !change.contains(" c") {
            one.run("DROP TABLE IF EXISTS t; CREATE TABLE t (a INTEGER, b INTEGER) DISTKEY(a)")
                .await;
            one.run("INSERT INTO t VALUES (1, 2), (3, 4)").await;
        }
        one.run("BEGIN").await;
        assert_eq!(one.rows("SELECT count(*) FROM t").await, ["2"], "{change}");
        other.run(change).await;
        assert_eq!(one.rows("SELECT sum(a) FROM t").await, ["4"], "{change}");
        let (code, _) = one.failure("INSERT INTO t (a, b) VALUES (5, 6)").await;
        assert_eq!(code, "40001", "{change}");
        one.run("ROLLBACK").await;
        assert_eq!(
            one.rows("SELECT count(*) FROM t x JOIN t y ON x.b = y.b")
                .await,
            ["2"],
            "{change}"
        );
    }
    // A new name alone changes nothing of how rows are stored.
    one.run("BEGIN; SELECT count(*) FROM t").await;
    other.run("ALTER TABLE t RENAME TO u").await;
    one.run("INSERT INTO t VALUES (7, 8)").await;
    one.run("COMMIT").await;
    assert_eq!(other.rows("SELECT count(*) FROM u").await, ["3"]);
}
