//! The history outlives stops and kills, and holds no secret.

use blueshift_tests::client::try_connect_as;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::io::Read;
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

/// Unpacks what a file of the journal holds.
fn unpacked(path: &Path) -> Vec<u8> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let bytes = std::fs::read(path).expect("bytes");
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&MAGIC));
    let mut all = Vec::new();
    for start in starts {
        let frame = zstd::stream::Decoder::with_buffer(&bytes[start..]).expect("a decoder");
        // What only looks like a frame ends in an error.
        let _ = frame.single_frame().read_to_end(&mut all);
    }
    all
}

/// The system tables, each with the sum of its columns of text.
async fn text_columns(client: &Client) -> Vec<(String, String)> {
    let columns = "SELECT c.relname, listagg('coalesce(' || quote_ident(a.attname) || ', chr(49))', ' || ') \
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid \
                   WHERE n.nspname = 'pg_catalog' AND t.typname IN ('varchar', 'bpchar') \
                   AND c.relname ~ '^(stl|stv|svl|svv|svcs|sys|blueshift)_' GROUP BY 1 ORDER BY 1";
    let rows = client.try_rows(columns).await.expect("the columns");
    let cell = |cell: &Option<String>| cell.clone().expect("no null");
    let both = rows.iter().map(|row| (cell(&row[0]), cell(&row[1])));
    both.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_history_holds_a_secret() {
    let mut server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    for statement in [
        "CREATE USER one PASSWORD 'Hidden7-a'",
        "ALTER USER one PASSWORD 'Hidden7-b' VALID UNTIL '2030-01-01'",
        "CREATE PROCEDURE make_two() AS $$ BEGIN EXECUTE 'CREATE USER two PASSWORD ''Hidden7-c'''; END $$ LANGUAGE plpgsql",
        "CALL make_two()",
        "CREATE TABLE filled (k INTEGER)",
    ] {
        client.run(statement).await;
    }
    for statement in [
        "CREATE USER one PASSWORD 'Hidden7-D'",
        "ALTER USER one PASSWORD 'Hidden7-it''s'",
        "ALTER USER nobody PASSWORD 'Hidden7-E'",
        "CREATE USER three PASSWORD 'hidden7'",
        "CREATE USER three PASSWORD 'Hidden7-F' NOSUCHOPTION",
        "CREATE USER three PASSWORD Hidden7G",
        "COPY filled FROM 's3://bucket/key' CREDENTIALS 'aws_access_key_id=Hidden7h;aws_secret_access_key=Hidden7i'",
        "COPY filled FROM 's3://bucket/key' WITH CREDENTIALS AS 'aws_access_key_id=Hidden7j;aws_secret_access_key=Hidden7k' REGION 'nowhere-1'",
        "COPY filled FROM 's3://bucket/key' ACCESS_KEY_ID 'Hidden7l' SECRET_ACCESS_KEY 'Hidden7m' SESSION_TOKEN 'Hidden7n' FORMAT SHAPEFILE",
        "UNLOAD ('SELECT 1') TO 's3://bucket/key' CREDENTIALS 'aws_access_key_id=Hidden7o;aws_secret_access_key=Hidden7p'",
    ] {
        client.failure(statement).await;
    }
    for password in ["Hidden7", "hidden7"] {
        let refused = try_connect_as(server.port, "one", password, "dev").await;
        assert!(refused.is_err());
    }
    let columns = text_columns(&client).await;
    assert!(columns.len() > 80, "{}", columns.len());
    for (table, text) in columns {
        // Written so that the query does not find itself.
        let query =
            format!("SELECT count(*) FROM {table} WHERE lower({text}) LIKE '%hid' || 'den7%'");
        assert_eq!(client.value(&query).await, "0", "{table}");
    }
    drop(client);
    assert_eq!(server.stop(), Some(0));
    let files = std::fs::read_dir(server.data.join("journal")).expect("files");
    let paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    let texts: Vec<u8> = paths.iter().flat_map(|path| unpacked(path)).collect();
    let texts = String::from_utf8_lossy(&texts).to_lowercase();
    assert!(texts.contains("alter user one"));
    assert!(!texts.contains("hidden7"));
    assert!(!server.log_text().to_lowercase().contains("hidden7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_for_no_days() {
    let options = ServerOptions {
        arguments: vec!["--history-days".into(), "0".into()],
        ..ServerOptions::default()
    };
    let server = Server::start(options).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE unseen (k INTEGER)").await;
    client.run("INSERT INTO unseen VALUES (1)").await;
    assert_eq!(client.value("SELECT k FROM unseen").await, "1");
    for table in ["stl_query", "stl_scan", "stl_ddltext", "stl_commit_stats"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(client.value(&count).await, "0", "{table}");
    }
    assert_eq!(journal_bytes(&server.data), 0);
}
