//! Object stores: one that fails in all the ways stores do, what may be reached of the network, and who sees what secret.

use blueshift_tests::store::{KEY, SECRET};
use blueshift_tests::{Client, Server, ServerOptions, Store, connect, full};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Rows of the table that comes and goes.
const ROWS: u64 = 60_000;

async fn server(store: &Store, arguments: &[&str]) -> (Server, Client) {
    let mut all = store.arguments();
    all.extend(arguments.iter().map(|one| (*one).to_owned()));
    let server = Server::start(ServerOptions {
        slices: Some(4),
        arguments: all,
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    (server, client)
}

fn line(id: u64) -> String {
    format!("{id}|name {}|{}.25\n", id * 7 % 1_000, id % 97)
}

/// Writes the rows as many small files, some of them packed, and one that is read in several ranges.
fn write_rows(store: &Store) -> String {
    let mut manifest = Vec::new();
    let mut put = |key: String, bytes: Vec<u8>| {
        manifest.push(format!(
            "{{\"url\":\"s3://bucket/{key}\",\"mandatory\":true,\"meta\":{{\"content_length\":{}}}}}",
            bytes.len()
        ));
        store.put(&key, bytes);
    };
    let mut next = 0;
    for file in 0..30 {
        let text: String = (next..next + 1_000).map(line).collect();
        next += 1_000;
        put(format!("in/part-{file:03}"), text.into_bytes());
    }
    // Blanks at the end of a text are data of it, and make it long.
    let mut text = String::new();
    for id in next..ROWS {
        let _ = writeln!(
            text,
            "{id}|name {}{}|{}.25",
            id * 7 % 1_000,
            " ".repeat(600),
            id % 97
        );
    }
    put("in/large".to_owned(), text.into_bytes());
    format!("{{\"entries\":[{}]}}", manifest.join(","))
}

/// Gives the ids and the sum of all rows below a folder, as they lie in the store.
fn unloaded(store: &Store, folder: &str) -> (usize, BTreeSet<u64>) {
    let mut ids = BTreeSet::new();
    let mut lines = 0;
    for key in store.keys_below(folder) {
        if key.ends_with("manifest") {
            continue;
        }
        let bytes = std::fs::read(store.path(&key)).expect("a file");
        let text = match key.ends_with(".gz") {
            true => {
                let mut text = String::new();
                let mut reader = flate2::read::MultiGzDecoder::new(bytes.as_slice());
                std::io::Read::read_to_string(&mut reader, &mut text).expect("gzip");
                text
            }
            false => String::from_utf8(bytes).expect("text"),
        };
        for line in text.lines() {
            lines += 1;
            let id = line.split('|').next().and_then(|id| id.parse().ok());
            ids.insert(id.unwrap_or_else(|| panic!("{key}: {line}")));
        }
    }
    (lines, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_lost_or_doubled_whatever_the_store_does() {
    let store = Store::start().await;
    let manifest = write_rows(&store);
    store.put("manifest", manifest);
    let (_server, client) = server(&store, &["--s3-stall-ms", "500"]).await;
    client
        .run("CREATE TABLE t (id BIGINT, name VARCHAR(700), price DECIMAL(9, 2)) DISTSTYLE EVEN")
        .await;
    let keys = store.keys();
    let sum = ROWS * (ROWS - 1) / 2;
    let all: BTreeSet<u64> = (0..ROWS).collect();
    let mut injected = 0;
    for run in 0..if full() { 200 } else { 15 } {
        store.faults.page([1_000, 7, 1][run as usize % 3]);
        client.run("TRUNCATE t").await;
        store.faults.begin(run, 20);
        let copy = match run % 2 {
            0 => format!("COPY t FROM 's3://bucket/in/' {keys}"),
            _ => format!("COPY t FROM 's3://bucket/manifest' {keys} MANIFEST"),
        };
        client.run(&copy).await;
        injected += store.faults.injected();
        let failed = store.faults.injected();
        let found = "SELECT count(*), count(DISTINCT id), sum(id) FROM t";
        assert_eq!(
            client.value(found).await,
            format!("{ROWS}|{ROWS}|{sum}"),
            "run {run}"
        );
        // On a busy machine an answer may come too late that nobody held back.
        let errors = "SELECT count(*) FROM stl_s3client_error WHERE query = pg_last_copy_id()";
        let errors: usize = client.value(errors).await.parse().expect("a number");
        assert!(errors >= failed, "run {run}: {errors} of {failed}");
        let retries = "SELECT sum(retries) FROM stl_s3client WHERE query = pg_last_copy_id()";
        assert_eq!(client.value(retries).await, errors.to_string(), "run {run}");

        let options = match run % 4 {
            0 => "",
            1 => "MANIFEST MAXFILESIZE 5 MB",
            2 => "GZIP PARALLEL OFF",
            _ => "ALLOWOVERWRITE MANIFEST",
        };
        // Another folder each time: what lies on which slice, and so what files there are, differs between loads.
        let folder = format!("out/{run}");
        store.faults.begin(run + 1_000, 20);
        let unload =
            format!("UNLOAD ('SELECT * FROM t') TO 's3://bucket/{folder}/t_' {keys} {options}");
        client.run(&unload).await;
        injected += store.faults.injected();
        store.faults.begin(0, 0);
        let (lines, ids) = unloaded(&store, &folder);
        assert!(
            lines as u64 == ROWS && ids == all,
            "run {run}: {lines} lines, {} ids",
            ids.len()
        );
        if options.contains("MANIFEST") {
            let text =
                std::fs::read(store.path(&format!("{folder}/t_manifest"))).expect("a manifest");
            let manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            let named: BTreeSet<String> = manifest["entries"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| {
                    entry["url"]
                        .as_str()
                        .unwrap_or_default()
                        .replace("s3://bucket/", "")
                })
                .collect();
            let there: BTreeSet<String> = store
                .keys_below(&folder)
                .into_iter()
                .filter(|key| !key.ends_with("manifest"))
                .collect();
            assert_eq!(named, there, "run {run}");
        }
    }
    assert!(injected > 100, "only {injected} requests failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_never_answers_ends_the_statement() {
    let store = Store::start().await;
    store.put("in/a", "1\n");
    let (_server, client) = server(&store, &["--s3-stall-ms", "100"]).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    store.faults.begin(1, 100);
    let begun = Instant::now();
    let copy = format!("COPY t FROM 's3://bucket/in/' {}", store.keys());
    let (code, error) = client.failure(&copy).await;
    assert_eq!(code, "58030", "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(90),
        "{:?}",
        begun.elapsed()
    );
    let tries = store.faults.injected();
    assert!((2..=20).contains(&tries), "{tries} tries");
    store.faults.begin(0, 0);
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    let error = "SELECT DISTINCT trim(bucket) || trim(http_method) FROM stl_s3client_error";
    assert_eq!(client.rows(error).await, ["bucketGET"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_seen_with_what_they_cost() {
    let store = Store::start().await;
    store.put("in/a", "1\n2\n");
    store.put("in/b", "3\n");
    let (_server, client) = server(&store, &[]).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    client
        .run(&format!("COPY t FROM 's3://bucket/in/' {}", store.keys()))
        .await;
    let requests = "SELECT trim(key), trim(http_method), transfer_size, retries, is_partial, start_offset, \
                    trim(ip_address) FROM stl_s3client WHERE query = pg_last_copy_id() AND key NOT LIKE 'prefix=%' \
                    ORDER BY 1";
    assert_eq!(
        client.rows(requests).await,
        ["in/a|GET|4|0|1|0|127.0.0.1", "in/b|GET|2|0|1|0|127.0.0.1"]
    );
    let listed = "SELECT trim(key) FROM stl_s3client WHERE key LIKE 'prefix=%'";
    assert_eq!(client.rows(listed).await, ["prefix=in/;marker="]);
    let slices = "SELECT count(DISTINCT slice) FROM stl_s3client WHERE key LIKE 'in/%'";
    assert_eq!(client.value(slices).await, "2");
    let sane = "SELECT count(*) FROM stl_s3client WHERE end_time < start_time OR transfer_time < 0 OR \
                abs(datediff(minute, '2000-01-01'::timestamp + (start_time / 1000000) * interval '1 second', getdate())) > 5";
    assert_eq!(client.value(sane).await, "0");
    client
        .run(&format!(
            "UNLOAD ('SELECT 1') TO 's3://bucket/out/t_' {} PARALLEL OFF",
            store.keys()
        ))
        .await;
    let put = "SELECT trim(key), transfer_size FROM stl_s3client WHERE http_method = 'PUT'";
    assert_eq!(client.rows(put).await, ["out/t_000|2"]);
    // A user sees what is his own.
    client.run("CREATE USER other PASSWORD 'Abcdef12'").await;
    let other =
        blueshift_tests::client::try_connect_as(_server.port, "other", "Abcdef12", "dev").await;
    let other = other.expect("connect");
    assert_eq!(other.value("SELECT count(*) FROM stl_s3client").await, "0");
}

/// Counts connections and answers each with the same text.
async fn answering(text: String) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4_096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(text.as_bytes()).await;
        }
    });
    (port, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let (inside, reached) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
    ] {
        let away = format!("http://127.0.0.1:{inside}/secret");
        let answer = format!("HTTP/1.1 {status}\r\nLocation: {away}\r\nContent-Length: 0\r\n\r\n");
        let (port, _) = answering(answer).await;
        let server = Server::start(ServerOptions {
            arguments: vec!["--s3-endpoint".into(), format!("http://127.0.0.1:{port}")],
            ..ServerOptions::default()
        })
        .await;
        let client = connect(server.port).await;
        client.run("CREATE TABLE t (id BIGINT)").await;
        let copy = "COPY t FROM 's3://bucket/in' ACCESS_KEY_ID 'k' SECRET_ACCESS_KEY 's'";
        let (code, error) = client.failure(copy).await;
        assert!(
            code == "58030" && error.contains("redirect"),
            "{code} {error}"
        );
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_cannot_name_another_host() {
    let store = Store::start().await;
    let (_server, client) = server(&store, &[]).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    let keys = store.keys();
    for (source, options) in [
        ("s3://bucket/in", "REGION 'us-east-1.evil.example.com/#'"),
        ("s3://bucket/in", "REGION '127.0.0.1'"),
        ("s3://bucket@127.0.0.1/in", ""),
        ("s3://../in", ""),
        ("s3://127.0.0.1:80/in", ""),
    ] {
        let (code, error) = client
            .failure(&format!("COPY t FROM '{source}' {keys} {options}"))
            .await;
        assert_eq!(code, "22023", "{source} {options}: {error}");
        let unload = format!("UNLOAD ('SELECT 1') TO '{source}' {keys} {options}");
        let (code, error) = client.failure(&unload).await;
        assert_eq!(code, "22023", "{source} {options}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_of_the_machine_is_not_asked_for_keys() {
    // Without an endpoint and without keys a client would ask the machine it runs on.
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    let begun = Instant::now();
    let (code, error) = client
        .failure("COPY t FROM 's3://bucket/in' IAM_ROLE default")
        .await;
    assert!(
        code == "28000" && error.contains("no credentials"),
        "{code} {error}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

fn role_file(folder: &Path, endpoint: &str) -> String {
    let path = folder.join("roles.toml");
    let text = format!(
        "[default]\naccess_key_id = \"{KEY}\"\nsecret_access_key = \"{SECRET}\"\n\n\
         [\"arn:aws:iam::123456789012:role/load\"]\naccess_key_id = \"{KEY}\"\nsecret_access_key = \"{SECRET}\"\n\
         endpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n\n\
         [\"arn:aws:iam::123456789012:role/wrong\"]\naccess_key_id = \"{KEY}\"\nsecret_access_key = \"other\"\n"
    );
    std::fs::write(&path, text).expect("write");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_stands_for_the_keys_that_the_operator_gave_it() {
    let store = Store::start().await;
    store.put("in/a", "1\n");
    let folder = tempfile::tempdir().expect("a folder");
    let roles = role_file(folder.path(), &store.endpoint);
    let (server, client) = server(&store, &["--role-file", &roles]).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    let arn = "arn:aws:iam::123456789012:role";
    for role in [
        "IAM_ROLE default".to_owned(),
        format!("IAM_ROLE '{arn}/load'"),
        format!("IAM_ROLE '{arn}/wrong,{arn}/load'"),
        format!("CREDENTIALS 'aws_iam_role={arn}/load'"),
        format!("CREDENTIALS 'aws_access_key_id={KEY};aws_secret_access_key={SECRET}'"),
        format!("WITH CREDENTIALS AS 'aws_access_key_id={KEY};aws_secret_access_key={SECRET}'"),
    ] {
        client.run("TRUNCATE t").await;
        client
            .run(&format!("COPY t FROM 's3://bucket/in/' {role}"))
            .await;
        assert_eq!(client.value("SELECT count(*) FROM t").await, "1", "{role}");
    }
    let (code, error) = client
        .failure(&format!(
            "COPY t FROM 's3://bucket/in/' IAM_ROLE '{arn}/none'"
        ))
        .await;
    assert!(
        code == "28000" && error.contains("knows no role"),
        "{error}"
    );
    let (code, error) = client
        .failure(&format!(
            "COPY t FROM 's3://bucket/in/' IAM_ROLE '{arn}/wrong'"
        ))
        .await;
    assert!(
        code == "28000" && error.contains("SignatureDoesNotMatch"),
        "{code} {error}"
    );
    assert!(!server.log_text().contains(SECRET));
    // A file that cannot be read is told without its text.
    std::fs::write(
        folder.path().join("bad.toml"),
        format!("[default]\nsecret = \"{SECRET}\""),
    )
    .expect("write");
    let bad = folder.path().join("bad.toml").display().to_string();
    let refused = Server::start_refused(ServerOptions {
        arguments: vec!["--role-file".into(), bad],
        ..ServerOptions::default()
    })
    .await;
    assert!(
        refused.contains("--role-file") && !refused.contains(SECRET),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_anywhere() {
    let store = Store::start().await;
    store.put("in/a", "1\n");
    store.put("bad/a", "x\n");
    let (server, client) = server(&store, &[]).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    let token = "token+that/must=not-show";
    let other = "wrong/secret+too";
    let statements = [
        format!("COPY t FROM 's3://bucket/in/' {}", store.keys()),
        format!("COPY t FROM 's3://bucket/bad/' {}", store.keys()),
        format!("COPY t FROM 's3://bucket/none/' {}", store.keys()),
        format!("COPY t FROM 's3://bucket/in/' ACCESS_KEY_ID '{KEY}' SECRET_ACCESS_KEY '{other}'"),
        format!(
            "COPY t FROM 's3://bucket/in/' {} SESSION_TOKEN '{token}'",
            store.keys()
        ),
        format!(
            "COPY t FROM 's3://bucket/in/' CREDENTIALS 'aws_access_key_id={KEY};aws_secret_access_key={SECRET};token={token}'"
        ),
        format!(
            "COPY t FROM 's3://bucket/in/' CREDENTIALS 'aws_secret_access_key={SECRET};bad={other}'"
        ),
        format!(
            "COPY t FROM 's3://bucket/in/' {} ENCRYPTED MASTER_SYMMETRIC_KEY '{other}'",
            store.keys()
        ),
        format!("COPY t FROM 's3://bucket/in/' SECRET_ACCESS_KEY {SECRET}"),
        format!(
            "UNLOAD ('SELECT 1') TO 's3://bucket/out/' {} PARALLEL OFF",
            store.keys()
        ),
        format!(
            "UNLOAD ('SELECT 1/0') TO 's3://bucket/out2/' {}",
            store.keys()
        ),
        format!(
            "EXPLAIN UNLOAD ('SELECT 1') TO 's3://bucket/out3/' {}",
            store.keys()
        ),
    ];
    let secrets = [SECRET, token, other];
    for statement in &statements {
        if let Err(error) = client.inner.simple_query(statement).await {
            let error = blueshift_tests::client::explain(&error);
            assert!(
                !secrets.iter().any(|secret| error.contains(secret)),
                "{error}"
            );
        }
    }
    let tables = "SELECT trim(name) FROM (SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = \
                  c.relnamespace WHERE n.nspname = 'pg_catalog' AND (c.relname LIKE 'st__%' OR c.relname LIKE 'sv__%' \
                  OR c.relname LIKE 'sys__%')) x ORDER BY 1";
    let tables = client.rows(tables).await;
    assert!(tables.len() > 50, "{tables:?}");
    let mut seen = 0;
    for table in &tables {
        for row in client.rows(&format!("SELECT * FROM {table}")).await {
            seen += usize::from(row.contains("s3://bucket/"));
            assert!(
                !secrets.iter().any(|secret| row.contains(secret)),
                "{table}: {row}"
            );
        }
    }
    assert!(seen > 10, "{seen} rows of what ran");
    let log = server.log_text();
    assert!(!secrets.iter().any(|secret| log.contains(secret)), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_a_root_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret"), "1\n").expect("write");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("root")).expect("a folder");
    std::fs::create_dir(at("root/in")).expect("a folder");
    std::fs::write(at("root/in/a"), "1\n").expect("write");
    std::os::unix::fs::symlink(outside.path().join("secret"), at("root/file")).expect("a link");
    std::os::unix::fs::symlink(outside.path(), at("root/folder")).expect("a link");
    let root = at("root").display().to_string();
    let server = Server::start(ServerOptions {
        arguments: ["--copy-root", &root, "--unload-root", &root]
            .map(str::to_owned)
            .into(),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    client
        .run(&format!("COPY t FROM 'file://{root}/in/'"))
        .await;
    for path in [
        "file",
        "fol",
        "folder/",
        "folder/secret",
        "in/../../outside",
        "../root/in/a",
        "",
    ] {
        let (code, error) = client
            .failure(&format!("COPY t FROM 'file://{root}/{path}'"))
            .await;
        assert_eq!(code, "42501", "{path}: {error}");
    }
    for path in ["folder/out", "../out", "in/../../out"] {
        let unload = format!("UNLOAD ('SELECT 1') TO 'file://{root}/{path}'");
        let (code, error) = client.failure(&unload).await;
        assert!(
            ["42501", "22023"].contains(&code.as_str()),
            "{path}: {error}"
        );
    }
    assert_eq!(client.value("SELECT count(*) FROM t").await, "1");
    assert_eq!(
        std::fs::read_dir(outside.path()).expect("a folder").count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = format!("{}\n", "1".repeat(4_095));
    let bomb = zstd::encode_all(line.repeat(100_000).as_bytes(), 1).expect("a bomb");
    assert!(bomb.len() < 1 << 20);
    std::fs::write(folder.path().join("bomb"), bomb).expect("write");
    let server = Server::start(ServerOptions {
        arguments: vec!["--copy-root".into(), folder.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (text VARCHAR(5000))").await;
    let copy = format!(
        "COPY t FROM 'file://{}/bomb' ZSTD NOLOAD",
        folder.path().display()
    );
    let (code, error) = client.failure(&copy).await;
    assert!(
        code == "54000" && error.contains("500 times as large"),
        "{code} {error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_stands_in_the_load_errors() {
    let store = Store::start().await;
    store.put("in/gone", "1\n");
    let (_server, client) = server(&store, &[]).await;
    client.run("CREATE TABLE t (id BIGINT)").await;
    let (_, error) = client
        .failure(&format!("COPY t FROM 's3://bucket/in/' {}", store.keys()))
        .await;
    assert!(error.contains("NoSuchKey"), "{error}");
    let found = "SELECT trim(filename), err_code, trim(err_reason) FROM stl_load_errors";
    assert_eq!(
        client.rows(found).await,
        ["s3://bucket/in/gone|1212|Load file was not found"]
    );
}
