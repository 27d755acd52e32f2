//! Real clients: psql, psycopg 2 and 3, asyncpg, Redshift's own driver, SQLAlchemy and pandas, JDBC, ODBC, node, dbt, SQLsmith; many at once; S3 through a stand-in.

use blueshift_tests::server::PASSWORD;
use blueshift_tests::{Server, ServerOptions, connect, full, installed, python};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("client")
}

fn psql(port: u16, script: &str) -> Command {
    let mut command = Command::new("psql");
    command
        .args([
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "admin",
            "-d",
            "dev",
            "-p",
            &port.to_string(),
        ])
        .args(["-c", script])
        .env("PGPASSWORD", PASSWORD)
        .env("PGSSLMODE", "require");
    command
}

fn text(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).to_string()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_describes_and_times() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client.run("CREATE SCHEMA sales").await;
    client
        .run(
            "CREATE TABLE orders (id INTEGER NOT NULL, label VARCHAR(30), price DECIMAL(12,2), made DATE) \
             DISTKEY(id) SORTKEY(made)",
        )
        .await;
    client
        .run("CREATE VIEW cheap AS SELECT id, price FROM orders WHERE price < 10")
        .await;
    client
        .run("INSERT INTO orders VALUES (1, 'first', 9.99, '2026-01-02'), (2, NULL, 12.5, NULL)")
        .await;
    let run = |script: &str| text(&psql(server.port, script).output().expect("psql runs"));
    let shown = run("\\d");
    assert!(
        shown.contains("orders") && shown.contains("cheap"),
        "{shown}"
    );
    let shown = run("\\dt");
    assert!(
        shown.contains("orders") && !shown.contains("cheap"),
        "{shown}"
    );
    let shown = run("\\l");
    assert!(shown.contains("dev"), "{shown}");
    let shown = run("\\dn");
    assert!(
        shown.contains("sales") && shown.contains("public"),
        "{shown}"
    );
    let shown = run("\\d orders");
    assert!(
        shown.contains("numeric(12,2)") && shown.contains("character varying(30)"),
        "{shown}"
    );
    assert!(shown.contains("not null"), "{shown}");
    let shown = run("SELECT id, label, price, made FROM orders ORDER BY id");
    assert!(
        shown.contains("9.99") && shown.contains("2026-01-02") && shown.contains("(2 rows)"),
        "{shown}"
    );
    let mut timed = Command::new("sh");
    let script = format!(
        "printf '\\\\timing on\\nSELECT 1;\\n' | psql -X -h 127.0.0.1 -U admin -d dev -p {} 2>&1",
        server.port
    );
    let shown = text(
        &timed
            .args(["-c", &script])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .expect("sh runs"),
    );
    assert!(shown.contains("Time:"), "{shown}");
}

/// Runs a script of `client/` with a server of its own; it must say `ok`.
async fn script_says_ok(script: &str) {
    let server = Server::start(ServerOptions::default()).await;
    let mut command = match script.ends_with(".js") {
        true => Command::new("node"),
        false => Command::new(python()),
    };
    let modules = std::env::var("BLUESHIFT_TEST_NODE").unwrap_or_default();
    let output = command
        .arg(folder().join(script))
        .env("NODE_PATH", Path::new(&modules).join("node_modules"))
        .env("BLUESHIFT_PORT", server.port.to_string())
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg_selects_with_parameters() {
    script_says_ok("psycopg_select.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg2_has_cursors_batches_and_notices() {
    script_says_ok("psycopg2_dbapi.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redshifts_driver_logs_in_and_reads_metadata() {
    script_says_ok("redshift_driver.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncpg_has_a_pool_and_binary_values() {
    script_says_ok("asyncpg_pool.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_has_a_pool_and_parameters() {
    script_says_ok("node_pg.js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odbc_reads_the_catalog_and_writes() {
    script_says_ok("odbc.py").await;
}

/// The second port speaks arrow.
#[tokio::test(flavor = "multi_thread")]
async fn adbc_reads_arrow_over_flight_sql() {
    let port = blueshift_tests::server::free_port();
    let server = Server::start(ServerOptions {
        arguments: vec!["--flight-listen".into(), format!("127.0.0.1:{port}")],
        ..ServerOptions::default()
    })
    .await;
    let output = Command::new(python())
        .arg(folder().join("adbc_flight.py"))
        .env("BLUESHIFT_FLIGHT_PORT", port.to_string())
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"));
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlalchemy_makes_and_reflects_tables() {
    script_says_ok("sqlalchemy_reflection.py").await;
}

/// The certificate is the one the server made, trusted as users trust their own authority; the host is checked.
#[tokio::test(flavor = "multi_thread")]
async fn dbt_builds_a_project_twice() {
    let server = Server::start(ServerOptions::default()).await;
    let output = Command::new(installed("BLUESHIFT_TEST_DBT"))
        .arg(folder().join("build_with_dbt.py"))
        .env("SSL_CERT_FILE", server.data.join("private/server.crt"))
        .env("BLUESHIFT_PORT", server.port.to_string())
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("python runs");
    assert!(text(&output).ends_with("ok\n"));
}

/// The settings that a user of Superset gives, and what a browser would ask of it.
#[tokio::test(flavor = "multi_thread")]
async fn superset_draws_a_chart() {
    let server = Server::start(ServerOptions::default()).await;
    let output = Command::new(installed("BLUESHIFT_TEST_SUPERSET"))
        .arg(folder().join("draw_with_superset.py"))
        .env("SSL_CERT_FILE", server.data.join("private/server.crt"))
        .env("BLUESHIFT_PORT", server.port.to_string())
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("python runs");
    // Superset says much on both sides.
    let shown = text(&output);
    assert!(output.stdout.ends_with(b"ok\n"), "{shown}");
}

/// 10 000 statements in the long run, 400 in the short one.
#[tokio::test(flavor = "multi_thread")]
async fn sqlsmith_finds_no_crash() {
    let mut server = Server::start(ServerOptions::default()).await;
    let seed: u64 = std::env::var("BLUESHIFT_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    let output = Command::new(python())
        .arg(folder().join("sqlsmith.py"))
        .arg(seed.to_string())
        .arg(if full() { "10000" } else { "400" })
        .env("BLUESHIFT_PORT", server.port.to_string())
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("python runs");
    let shown = text(&output);
    println!("{shown}");
    assert!(shown.ends_with("ok\n"));
    assert!(server.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wire_keeps_its_promises_and_bears_nonsense() {
    let mut server = Server::start(ServerOptions::default()).await;
    let output = Command::new(python())
        .args([folder().join("wire.py").as_os_str(), "5".as_ref()])
        .env("BLUESHIFT_PORT", server.port.to_string())
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("python runs");
    let shown = text(&output);
    println!("{shown}");
    assert!(shown.ends_with("ok\n"));
    assert!(server.is_alive());
    assert!(!server.log_text().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_selects_with_parameters() {
    let server = Server::start(ServerOptions::default()).await;
    let output = Command::new("java")
        .args(["-cp", "/usr/share/java/postgresql.jar"])
        .arg(folder().join("JdbcSelect.java"))
        .arg(server.port.to_string())
        .arg(PASSWORD)
        .output()
        .expect("java runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_tells_of_tables_keys_and_types() {
    let server = Server::start(ServerOptions::default()).await;
    let output = Command::new("java")
        .args(["-cp", "/usr/share/java/postgresql.jar"])
        .arg(folder().join("JdbcMetadata.java"))
        .arg(server.port.to_string())
        .arg(PASSWORD)
        .output()
        .expect("java runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_reads_an_s3_bucket_by_prefix_and_manifest() {
    let output = Command::new(python())
        .arg(folder().join("s3_copy.py"))
        .env("BLUESHIFT_BINARY", blueshift_tests::server::binary())
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn external_schemas_show_a_data_catalog_elsewhere() {
    let output = Command::new(python())
        .arg(folder().join("glue_catalog.py"))
        .env("BLUESHIFT_BINARY", blueshift_tests::server::binary())
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unload_writes_to_an_s3_bucket_all_or_nothing() {
    let output = Command::new(python())
        .arg(folder().join("s3_unload.py"))
        .env("BLUESHIFT_BINARY", blueshift_tests::server::binary())
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn awswrangler_copies_unloads_and_reads_frames() {
    let output = Command::new(python())
        .arg(folder().join("wrangler.py"))
        .env("BLUESHIFT_BINARY", blueshift_tests::server::binary())
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn external_tables_are_read_and_written_in_an_s3_bucket() {
    let output = Command::new(python())
        .arg(folder().join("s3_external.py"))
        .env("BLUESHIFT_BINARY", blueshift_tests::server::binary())
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_go_to_an_s3_bucket_and_come_back() {
    let output = Command::new(python())
        .arg(folder().join("s3_snapshot.py"))
        .env("BLUESHIFT_BINARY", blueshift_tests::server::binary())
        .output()
        .expect("python runs");
    assert!(text(&output).contains("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_psql_connections_run_queries() {
    let mut server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE t (a INTEGER, b VARCHAR(20)) SORTKEY(a)")
        .await;
    let values: Vec<String> = (0..10_000)
        .map(|n| format!("({n}, 'text {}')", n % 100))
        .collect();
    client
        .run(&format!("INSERT INTO t VALUES {}", values.join(",")))
        .await;
    let length = Duration::from_secs(if full() { 60 } else { 10 });
    let port = server.port;
    let clients: Vec<_> = (0..100)
        .map(|number| {
            std::thread::spawn(move || {
                let begun = Instant::now();
                let mut count = 0;
                while begun.elapsed() < length {
                    let mut command = psql(
                        port,
                        &format!("SELECT count(*), sum(a) FROM t WHERE a < {number}"),
                    );
                    command.args([
                        "-c",
                        "SELECT b, count(*) FROM t GROUP BY b ORDER BY b LIMIT 5",
                        "-At",
                    ]);
                    let shown = text(&command.output().expect("psql runs"));
                    let sum = if number == 0 {
                        String::new()
                    } else {
                        (number * (number - 1) / 2).to_string()
                    };
                    assert!(shown.starts_with(&format!("{number}|{sum}\n")), "{shown}");
                    count += 1;
                }
                count
            })
        })
        .collect();
    let runs: u64 = clients
        .into_iter()
        .map(|client| client.join().expect("a client"))
        .sum();
    println!(
        "{runs} psql runs, peak memory {} MB",
        server.peak_memory_bytes() >> 20
    );
    assert!(runs >= 100);
    assert!(server.is_alive());
    assert!(server.peak_memory_bytes() < 2 << 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_first_load_into_an_automatic_table_is_spread() {
    let files = tempfile::tempdir().expect("a directory");
    // A little more than the million rows of 64 bytes that one slice would keep.
    let line = format!("1|{}\n", "x".repeat(4_000));
    std::fs::write(files.path().join("part"), line.repeat(16_500)).expect("write");
    let server = Server::start(ServerOptions {
        slices: Some(2),
        arguments: vec!["--copy-root".into(), files.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE t (a INTEGER, b VARCHAR(4000))")
        .await;
    client
        .run(&format!(
            "COPY t FROM 'file://{}/part'",
            files.path().display()
        ))
        .await;
    assert_eq!(client.value("SELECT count(*) FROM t").await, "16500");
    let style =
        |table| format!("SELECT releffectivediststyle FROM pg_class WHERE relname = '{table}'");
    assert_eq!(client.value(&style("t")).await, "11");

    // Loads at the same time each find the table small and spread it: all of them succeed, also one whose block saw
    // the table as it was.
    client
        .run("CREATE TABLE u (a INTEGER, b VARCHAR(4000))")
        .await;
    let copy = format!("COPY u FROM 'file://{}/part'", files.path().display());
    let block = connect(server.port).await;
    block.run("BEGIN; SELECT count(*) FROM u").await;
    let others = [connect(server.port).await, connect(server.port).await];
    let [first, second] = &others;
    tokio::join!(first.run(&copy), second.run(&copy), client.run(&copy));
    block.run(&format!("{copy}; COMMIT")).await;
    assert_eq!(client.value("SELECT count(*) FROM u").await, "66000");
    assert_eq!(client.value(&style("u")).await, "11");
}
