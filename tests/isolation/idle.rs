//! Sessions that are silent for too long are ended, with the reason, and give back what they hold.

use super::{Script, answer};
use blueshift_tests::client::tls;
use blueshift_tests::server::PASSWORD;
use blueshift_tests::{Server, ServerOptions};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, SimpleQueryMessage};

/// A session that ran something and is silent since.
struct Silent {
    client: tokio_postgres::Client,
    pid: String,
    ended: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Silent {
    async fn after(port: u16, sql: &str) -> Silent {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(port)
            .user("admin")
            .password(PASSWORD)
            .dbname("dev")
            .ssl_mode(SslMode::Require);
        let (client, connection) = config.connect(tls()).await.expect("connect");
        let ended = tokio::spawn(connection);
        let sql = format!("SELECT pg_backend_pid(); {sql}");
        let mut pid = String::new();
        for message in client.simple_query(&sql).await.expect("the statements") {
            if let (true, SimpleQueryMessage::Row(row)) = (pid.is_empty(), message) {
                pid = row.get(0).unwrap_or_default().to_string();
            }
        }
        Silent { client, pid, ended }
    }

    /// Gives the SQLSTATE the session is ended with.
    async fn end(self) -> String {
        let error = self.ended.await.expect("the connection's task");
        let error = error.expect_err("the server says why");
        drop(self.client);
        error.code().map_or("", |code| code.code()).to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_is_ended_and_gives_back_its_locks() {
    let server = Server::start(ServerOptions::default()).await;
    let (one, watch) = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    one.run("CREATE TABLE t (a INTEGER)").await;
    let port = server.port;
    for (setting, block, code) in [
        (
            "idle_in_transaction_session_timeout",
            "BEGIN; LOCK t",
            "25P03",
        ),
        ("idle_session_timeout", "SELECT 1", "57P05"),
    ] {
        let silent = Silent::after(port, &format!("SET {setting} TO 150; {block}")).await;
        assert_eq!(silent.end().await, code, "{setting}");
        let waiting = one.send("INSERT INTO t VALUES (1)");
        answer(waiting).await;
    }
    assert_eq!(watch.rows("SELECT count(*) FROM t").await, ["2"]);
    // Outside a block the time within one ends nobody.
    one.run("SET idle_in_transaction_session_timeout TO 1")
        .await;
    assert_eq!(one.rows("SELECT 1").await, ["1"]);
    // Who is ended by another is told so.
    let silent = Silent::after(port, "BEGIN; LOCK t").await;
    watch
        .run(&format!("SELECT pg_terminate_backend({})", silent.pid))
        .await;
    assert_eq!(silent.end().await, "57P01");
    assert_eq!(watch.rows("SELECT count(*) FROM t").await, ["2"]);
}
