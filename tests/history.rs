//! The history outlives stops and kills, and holds no secret.

use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::path::Path;

fn journal_bytes(data: &Path) -> u64 {
    let files = std::fs::read_dir(data.join("journal"));
    let files = files.into_iter().flatten().flatten();
    files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

/// Works on until the journal was written twice: then what came before is in it.
async fn until_kept(client: &Client, data: &Path) {
    for _ in 0..2 {
        let before = journal_bytes(data);
        while journal_bytes(data) == before {
            client.run("SELECT 1").await;
        }
    }
}

async fn fill(client: &Client) -> String {
    client
        .run("CREATE TABLE kept (k INTEGER) DISTSTYLE EVEN")
        .await;
    client.run("INSERT INTO kept VALUES (1), (2), (3)").await;
    assert_eq!(
        client
            .rows("SELECT k FROM kept WHERE k > 1 ORDER BY k")
            .await,
        ["2", "3"]
    );
    client
        .run("CREATE USER hidden PASSWORD 'Very-secret-1'")
        .await;
    client.failure("SELECT nosuch FROM kept").await;
    let find = "SELECT max(query) FROM stl_query WHERE querytxt LIKE 'SELECT k FROM kept%'";
    client.value(find).await
}

/// Looks at what was kept of [`fill`].
async fn look(client: &Client, query: &str) {
    let has = |table: &str, condition: &str| {
        let query = format!("SELECT count(*) > 0 FROM {table} WHERE {condition}");
        async move { assert_eq!(client.value(&query).await, "t", "{query}") }
    };
    let of_query = format!("query = {query}");
    has(
        "stl_query",
        &format!("{of_query} AND querytxt LIKE 'SELECT k FROM kept%'"),
    )
    .await;
    has(
        "stl_scan",
        &format!("{of_query} AND trim(perm_table_name) = 'kept'"),
    )
    .await;
    has(
        "stl_explain",
        &format!("{of_query} AND plannode LIKE '%Seq Scan on kept%'"),
    )
    .await;
    has(
        "svl_query_summary",
        &format!("{of_query} AND label LIKE 'return%'"),
    )
    .await;
    has("stl_ddltext", "text LIKE 'CREATE TABLE kept%'").await;
    has("stl_connection_log", "event LIKE 'authenticated%'").await;
    has(
        "sys_query_history",
        "status = 'failed' AND error_message LIKE '%nosuch%'",
    )
    .await;
    let later = "SELECT max(query) FROM stl_query";
    let later: i64 = client.value(later).await.parse().expect("a number");
    assert!(later > query.parse().expect("a number"));
    let secret =
        "SELECT count(*) FROM stl_ddltext WHERE text LIKE '%Very-secret%' AND text LIKE 'CREATE%'";
    assert_eq!(client.value(secret).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_outlives_a_stop() {
    let mut server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    let query = fill(&client).await;
    drop(client);
    assert_eq!(server.stop(), Some(0));
    let server = server.restart().await;
    look(&connect(server.port).await, &query).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_outlives_a_kill_and_damage() {
    let mut server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    let query = fill(&client).await;
    until_kept(&client, &server.data).await;
    server.kill();
    let data = server.data.clone();
    let server = server.restart().await;
    look(&connect(server.port).await, &query).await;
    // Nothing depends on the journal: a server starts over any bytes of it.
    let files = std::fs::read_dir(data.join("journal")).expect("files");
    for file in files {
        let path = file.expect("a file").path();
        let mut bytes = std::fs::read(&path).expect("bytes");
        bytes
            .iter_mut()
            .skip(40)
            .step_by(7)
            .for_each(|byte| *byte ^= 0x55);
        std::fs::write(&path, bytes).expect("written");
        assert!(!contains(&path, b"Very-secret"));
    }
    let server = server.restart().await;
    assert_eq!(
        connect(server.port)
            .await
            .value("SELECT count(*) FROM kept")
            .await,
        "3"
    );
}

fn contains(path: &Path, needle: &[u8]) -> bool {
    let bytes = std::fs::read(path).expect("bytes");
    bytes.windows(needle.len()).any(|window| window == needle)
}
