//! What one session sees and may do while others change things.

mod alter;
mod bank;
mod ddl;
mod hermitage;
mod idle;
mod lock;
mod reader;
mod vacuum;

use blueshift_tests::client::explain;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A session of a script: its connection and its process id.
#[derive(Clone)]
struct Script {
    client: Arc<Client>,
    pid: String,
}

/// A statement that was sent and not yet answered.
type Pending = JoinHandle<Result<Vec<String>, (String, String)>>;

impl Script {
    async fn begin(port: u16) -> Script {
        let client = Arc::new(connect(port).await);
        let pid = client.value("SELECT pg_backend_pid()").await;
        Script { client, pid }
    }

    /// Runs statements, and gives the rows of the last.
    async fn rows(&self, sql: &str) -> Vec<String> {
        self.client.rows(sql).await
    }

    /// Runs statements.
    async fn run(&self, sql: &str) {
        self.client.run(sql).await;
    }

    /// Runs statements, and gives the SQLSTATE and text of the failure.
    async fn failure(&self, sql: &str) -> (String, String) {
        self.client.failure(sql).await
    }

    /// Sends a statement that is not expected to be answered yet.
    fn send(&self, sql: &str) -> Pending {
        let (client, sql) = (self.client.clone(), sql.to_string());
        tokio::spawn(async move {
            match client.try_rows(&sql).await {
                Ok(rows) => Ok(rows
                    .into_iter()
                    .map(|row| {
                        let cells = row.into_iter().map(|cell| cell.unwrap_or_default());
                        cells.collect::<Vec<_>>().join("|")
                    })
                    .collect()),
                Err(error) => {
                    let code = error.code().map_or("", |code| code.code());
                    Err((code.to_string(), explain(&error)))
                }
            }
        })
    }

    /// Sends a statement, and looks on as `observer` until it waits for a lock.
    async fn send_blocked(&self, sql: &str, observer: &Script) -> Pending {
        let mut pending = self.send(sql);
        let waits = format!(
            "SELECT count(*) > 0 FROM pg_locks WHERE pid = {} AND NOT granted",
            self.pid
        );
        while observer.rows(&waits).await != ["t"] {
            if pending.is_finished() {
                panic!("{sql} did not wait: {:?}", (&mut pending).await);
            }
        }
        pending
    }
}

/// Takes the answer of a statement that waited and succeeded.
async fn answer(pending: Pending) -> Vec<String> {
    match pending.await.expect("the statement's task") {
        Ok(rows) => rows,
        Err((_, text)) => panic!("{text}"),
    }
}

/// Takes the failure of a statement that waited.
async fn refusal(pending: Pending) -> (String, String) {
    match pending.await.expect("the statement's task") {
        Ok(rows) => panic!("should have failed, but gave {rows:?}"),
        Err(failure) => failure,
    }
}

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
