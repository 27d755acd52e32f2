//! The admin commands: the binary of this build against a real server, as an operator's shell runs it.

use blueshift_tests::server::{PASSWORD, binary};
use blueshift_tests::{Server, ServerOptions, connect};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs a command against a server; `input` is its standard input.
fn run(port: u16, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env("PGPORT", port.to_string())
        .env("PGPASSWORD", PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("its input");
    // A command that reads nothing may have ended.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// Gives what a command printed, after it succeeded.
fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).to_string()
}

/// Gives what a command complained of, after it failed with an exit code.
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code));
    String::from_utf8_lossy(&output.stderr).to_string()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&printed(output)).expect("JSON")
}

async fn server_with_table() -> Server {
    let server = Server::start(ServerOptions {
        slices: Some(2),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE sales (id INTEGER, day DATE) DISTKEY(id) SORTKEY(day)")
        .await;
    client
        .run("INSERT INTO sales VALUES (1, '2024-02-01'), (2, '2024-01-01'), (3, NULL)")
        .await;
    client.run("DELETE FROM sales WHERE id = 3").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_and_analyze_print_what_they_did() {
    let server = server_with_table().await;
    let vacuumed = json(&run(
        server.port,
        &["vacuum", "sales", "--to", "100", "--output", "json"],
        "",
    ));
    let statuses: Vec<_> = vacuumed.as_array().expect("rows").iter().collect();
    assert!(
        statuses.iter().any(|row| row["status"] == "Finished"),
        "{vacuumed}"
    );
    let analyzed = printed(&run(server.port, &["analyze", "sales"], ""));
    assert!(
        analyzed.contains("sales") && analyzed.contains("Full"),
        "{analyzed}"
    );
    let encodings = printed(&run(
        server.port,
        &["analyze", "sales", "--compression"],
        "",
    ));
    assert!(encodings.contains("Est_reduction_pct") || encodings.contains("est_reduction_pct"));
    let failed = run(server.port, &["vacuum", "nowhere"], "");
    assert!(refused(&failed, 1).contains("42P01"));
    refused(
        &run(server.port, &["vacuum", "sales", "--to", "101"], ""),
        2,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_and_the_check_are_told() {
    let place = tempfile::tempdir().expect("a folder");
    let root = place.path().display().to_string();
    let mut server = Server::start(ServerOptions {
        slices: Some(1),
        arguments: vec!["--snapshot-root".into(), root.clone()],
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE sales (id INTEGER) DISTSTYLE EVEN SORTKEY(id)")
        .await;
    client
        .run("INSERT INTO sales SELECT n FROM generate_series(300000, 1, -1) AS s(n)")
        .await;
    let port = server.port;
    let taken = json(&run(
        port,
        &[
            "snapshot", "create", "one", "--to", &root, "--output", "json",
        ],
        "",
    ));
    assert!(taken[0]["bytes"].as_u64().expect("a number") > 0, "{taken}");
    let shown = client
        .rows("SELECT status, progress FROM blueshift_snapshots")
        .await;
    assert_eq!(shown, ["available|100"]);
    let arguments = [
        "restore",
        "--from",
        &root,
        "--snapshot",
        "one",
        "--table",
        "sales",
        "--as",
        "old",
        "--output",
        "json",
    ];
    let restored = json(&run(port, &arguments, ""));
    assert_eq!(
        restored,
        serde_json::json!([{"table": "old", "rows": 300_000}])
    );
    assert_eq!(
        client.rows("SELECT count(*) FROM blueshift_restores").await,
        ["0"]
    );
    let other = place.path().join("other").display().to_string();
    let arguments = [
        "restore",
        "--from",
        &root,
        "--snapshot",
        "one",
        "--data",
        &other,
        "--progress",
        "always",
    ];
    let restored = run(port, &arguments, "");
    let told = String::from_utf8_lossy(&restored.stderr);
    assert!(
        told.contains("restore [########################] 100 %"),
        "{told}"
    );
    assert!(restored.status.success());
    client.run("DROP TABLE old").await;
    client.run("ANALYZE sales").await;
    assert_eq!(server.stop(), Some(0));
    let data = server.data.display().to_string();
    let checked = printed(&run(port, &["check", "--data", &data], ""));
    assert!(checked.contains(": 1 table on 1 slice, "), "{checked}");
    assert!(checked.contains(" 1 file of statistics,"), "{checked}");
    let missing = place.path().join("missing").display().to_string();
    assert!(refused(&run(port, &["check", "--data", &missing], ""), 1).contains("could not check"));
    let alone = run(port, &["vacuum"], "");
    assert!(refused(&alone, 1).contains("refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_how_the_server_is() {
    let server = server_with_table().await;
    let status = json(&run(server.port, &["status", "--output", "json"], ""));
    for (name, value) in [("tables", 1), ("rows", 2), ("running_queries", 0)] {
        assert_eq!(status[name], value, "{status}");
    }
    assert!(
        status["version"]
            .as_str()
            .expect("text")
            .contains("Blueshift")
    );
    assert_eq!(status["last_vacuum"], serde_json::Value::Null);
    assert_eq!(status["table_list"][0]["table"], "sales");
    run(server.port, &["vacuum", "sales", "--to", "100"], "");
    let shown = printed(&run(server.port, &["status"], ""));
    assert!(
        shown.contains("uptime_seconds") && shown.contains("sales"),
        "{shown}"
    );
    let elsewhere = run(1, &["status"], "");
    assert!(refused(&elsewhere, 1).contains("could not connect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_without_a_password_in_sight() {
    let server = Server::start(ServerOptions::default()).await;
    let port = server.port;
    let secret = "Topsecret-1;$$--x";
    printed(&run(
        port,
        &["user", "create", "ann", "--createdb"],
        &format!("{secret}\n"),
    ));
    let login = |user: &str, password: &str| {
        let mut command = Command::new(binary());
        command
            .args(["user", "list", "--output", "json", "--user", user])
            .env("PGPORT", port.to_string())
            .env("PGPASSWORD", password);
        command.output().expect("the binary runs")
    };
    let users = json(&login("ann", secret));
    let ann = users
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["name"] == "ann");
    let ann = ann.expect("the user is listed");
    assert_eq!(
        (&ann["createdb"], &ann["superuser"]),
        (&true.into(), &false.into())
    );
    printed(&run(
        port,
        &["user", "alter", "ann", "--new-password"],
        "Another-2\n",
    ));
    assert!(login("ann", "Another-2").status.success());
    assert!(!login("ann", secret).status.success());
    // Only superusers see everything.
    let mut status = Command::new(binary());
    status
        .args(["status", "--user", "ann"])
        .env("PGPORT", port.to_string())
        .env("PGPASSWORD", "Another-2");
    let status = status.output().expect("the binary runs");
    assert!(refused(&status, 1).contains("superusers"));
    assert!(refused(&run(port, &["user", "create", "bob"], ""), 1).contains("no password"));
    assert!(refused(&run(port, &["user", "create", "bob"], "weak\n"), 1).contains("too weak"));
    printed(&run(port, &["user", "create", "bob", "--no-password"], ""));
    printed(&run(port, &["user", "drop", "bob"], ""));
    assert!(refused(&run(port, &["user", "drop", "bob"], ""), 1).contains("42704"));
    printed(&run(port, &["user", "drop", "bob", "--if-exists"], ""));
    let log = std::fs::read_to_string(&server.log).expect("the log");
    let seen = printed(&run(port, &["user", "list"], ""));
    let texts = connect(port)
        .await
        .rows("SELECT querytxt FROM stl_query")
        .await
        .join("\n");
    for text in [&log, &seen, &texts] {
        assert!(
            !text.contains("Topsecret") && !text.contains("Another-2"),
            "{text}"
        );
    }
}

#[test]
fn the_configuration_is_shown_with_its_origins_and_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("blueshift.toml");
    let path = file.display().to_string();
    std::fs::write(&file, "slices = 3\ncache = 1000000\n").expect("write");
    let command = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(binary());
        command.args(arguments).envs(variables.iter().copied());
        command.output().expect("the binary runs")
    };
    let arguments = [
        "config",
        "show",
        "--origin",
        "--output",
        "json",
        "--config",
        &path,
        "--connections",
        "7",
    ];
    let variables = [
        ("BLUESHIFT_SLICES", "5"),
        ("BLUESHIFT_ADMIN_PASSWORD", "Secret-123"),
    ];
    let output = command(&arguments, &variables);
    assert!(!printed(&output).contains("Secret-123"));
    let settings = json(&output);
    let setting = |name: &str| {
        let settings = settings.as_array().expect("rows");
        let found = settings.iter().find(|row| row["setting"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is not shown"));
        (found["value"].clone(), found["origin"].clone())
    };
    let file_origin = format!("file {path}");
    for (name, value, origin) in [
        ("slices", "5", "variable BLUESHIFT_SLICES"),
        ("cache", "1000000", file_origin.as_str()),
        ("connections", "7", "flag --connections"),
        ("insecure", "false", "default"),
        (
            "admin_password",
            "(hidden)",
            "variable BLUESHIFT_ADMIN_PASSWORD",
        ),
    ] {
        assert_eq!(setting(name), (value.into(), origin.into()), "{name}");
    }
    assert_eq!(printed(&command(&["config", "check", &path], &[])), "ok\n");
    assert_eq!(
        printed(&command(&["config", "check", "current"], &[])),
        "ok\n"
    );
    let unknown = command(&["config", "check", &path], &[("BLUESHIFT_LISTN", "x")]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stdout).contains("BLUESHIFT_LISTN"));
    std::fs::write(&file, "slicess = 3\n").expect("write");
    assert!(refused(&command(&["config", "check", &path], &[]), 1).contains("slicess"));
}

#[test]
fn local_queries_files_without_a_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sales.csv");
    std::fs::write(&file, "Id,label,price\n1,one,1.5\n2,,2.5\n3,three,\n").expect("write");
    let local = |sql: &str| {
        let mut command = Command::new(binary());
        command
            .args(["local", sql, "--output", "json"])
            .current_dir(folder.path());
        command.output().expect("the binary runs")
    };
    let rows = json(&local(
        "SELECT nvl(label, 'none') AS label, sum(price) AS price, max(id) AS id FROM 'sales.csv' \
         GROUP BY 1 ORDER BY 3",
    ));
    let expected = serde_json::json!([
        {"label": "one", "price": 1.5, "id": 1},
        {"label": "none", "price": 2.5, "id": 2},
        {"label": "three", "price": null, "id": 3},
    ]);
    assert_eq!(rows, expected);
    std::fs::write(
        folder.path().join("d.json"),
        "{\"id\": 2, \"day\": \"2024-01-02\"}\n",
    )
    .expect("write");
    let rows = json(&local(
        "SELECT s.label, dateadd(day, 1, d.day::date) AS day FROM 'sales.csv' s JOIN 'd.json' d ON d.id = s.id",
    ));
    assert_eq!(
        rows[0]["day"].as_str().map(|day| &day[..10]),
        Some("2024-01-03"),
        "{rows}"
    );
    assert!(refused(&local("SELECT * FROM 'missing.csv'"), 1).contains("missing.csv"));
    assert!(refused(&local("SELECT * FROM sales"), 1).contains("42P01"));
    assert!(refused(&local("DROP TABLE sales"), 1).contains("only a query"));
    assert!(refused(&local("SELECT nosuch(1)"), 1).contains("nosuch"));
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = Command::new(binary());
        let output = command
            .args(["completions", shell])
            .output()
            .expect("the binary runs");
        assert!(printed(&output).contains("vacuum"), "{shell}");
    }
    let mut command = Command::new(binary());
    let output = command
        .args(["completions", "nosuch"])
        .output()
        .expect("the binary runs");
    refused(&output, 2);
}
