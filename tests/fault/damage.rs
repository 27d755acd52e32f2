//! Damaged files and hostile bytes: a clear error, the server alive, the rest readable.

use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// Lists the row group files of a data directory, largest first.
fn row_groups(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    let mut folders = vec![directory.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder)
            .expect("read")
            .flatten()
            .map(|entry| entry.path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rg") {
                found.push((path.metadata().expect("metadata").len(), path));
            }
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

async fn two_tables(client: &Client) {
    client.run("CREATE TABLE whole (a INTEGER)").await;
    client.run("INSERT INTO whole VALUES (1), (2), (3)").await;
    client
        .run("CREATE TABLE victim (a BIGINT, b VARCHAR(100)) DISTSTYLE EVEN")
        .await;
    let values: Vec<String> = (0..20_000)
        .map(|n| format!("({n}, 'text number {}')", n * 7919 % 20_011))
        .collect();
    client
        .run(&format!("INSERT INTO victim VALUES {}", values.join(",")))
        .await;
}

/// `named` is what the error says besides table and slice.
async fn check_damage(named: &[&str], damage: impl Fn(&Path)) {
    let mut server = Server::start(ServerOptions {
        slices: Some(1),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    two_tables(&client).await;
    server.kill();
    damage(&row_groups(&server.data)[0]);
    let mut server = server.restart().await;
    let client = connect(server.port).await;
    let (code, text) = client
        .failure("SELECT sum(a), count(DISTINCT b) FROM victim")
        .await;
    assert_eq!(code, "XX001", "{text}");
    for part in ["damaged", "table \"public.victim\"", "slice 0"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in named {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The other column stays readable, unless the file itself is cut.
    let a = client.try_rows("SELECT sum(a) FROM victim").await.is_ok();
    let b = client
        .try_rows("SELECT count(DISTINCT b) FROM victim")
        .await;
    assert_eq!(a != b.is_ok(), !named.is_empty(), "a {a}, b {b:?}");
    assert_eq!(client.value("SELECT sum(a) FROM whole").await, "6");
    client.run("INSERT INTO whole VALUES (4)").await;
    assert_eq!(client.value("SELECT sum(a) FROM whole").await, "10");
    assert!(server.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_data_file_is_a_clear_error() {
    check_damage(&[], |path| {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .expect("open");
        file.set_len(path.metadata().expect("metadata").len() / 2)
            .expect("truncate");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_a_block_is_a_clear_error() {
    check_damage(&["column \"", "block "], |path| {
        let mut file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .expect("open");
        let middle = path.metadata().expect("metadata").len() / 3;
        let mut byte = [0];
        file.seek(SeekFrom::Start(middle)).expect("seek");
        file.read_exact(&mut byte).expect("read");
        file.seek(SeekFrom::Start(middle)).expect("seek");
        file.write_all(&[byte[0] ^ 0x10]).expect("write");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_is_refused() {
    let server = Server::start(ServerOptions::default()).await;
    let options = ServerOptions {
        data: Some(server.data.clone()),
        ..ServerOptions::default()
    };
    let text = Server::start_refused(options).await;
    assert!(text.contains("in use by another server"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_port_harms_nobody() {
    let mut server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    let mut state: u64 = 7;
    for round in 0..200_u64 {
        let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", server.port))
            .await
            .expect("connect");
        let bytes: Vec<u8> = (0..(round * 13 % 700))
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        // The server may close before it has read everything.
        let _ = socket.write_all(&bytes).await;
    }
    let huge = [0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0];
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", server.port))
        .await
        .expect("connect");
    socket.write_all(&huge).await.expect("write");
    assert_eq!(client.value("SELECT 1").await, "1");
    assert!(server.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_manifest_entry_is_a_clear_error() {
    let files = tempfile::tempdir().expect("a directory");
    let manifest = files.path().join("load.manifest");
    let missing = files.path().join("missing.tbl");
    std::fs::write(
        &manifest,
        format!(
            "{{\"entries\":[{{\"url\":\"file://{}\",\"mandatory\":true}}]}}",
            missing.display()
        ),
    )
    .expect("write");
    let options = ServerOptions {
        arguments: vec!["--copy-root".into(), files.path().display().to_string()],
        ..ServerOptions::default()
    };
    let server = Server::start(options).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (a INTEGER)").await;
    let (_, text) = client
        .failure(&format!(
            "COPY t FROM 'file://{}' MANIFEST",
            manifest.display()
        ))
        .await;
    assert!(text.contains("missing.tbl"), "{text}");
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    let (_, text) = client.failure("COPY t FROM 'file:///etc/passwd'").await;
    assert!(text.contains("copy-root"), "{text}");
}

fn check(data: &Path) -> (Option<i32>, serde_json::Value) {
    let output = std::process::Command::new(blueshift_tests::server::binary())
        .args(["check", "--output", "json", "--data"])
        .arg(data)
        .output()
        .expect("the check runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_names_the_damaged_block_of_a_running_and_a_stopped_server() {
    let options = ServerOptions {
        slices: Some(1),
        ..ServerOptions::default()
    };
    let mut server = Server::start(options).await;
    let client = connect(server.port).await;
    two_tables(&client).await;
    client.run("DELETE FROM victim WHERE a % 3 = 0").await;
    let (code, report) = check(&server.data);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["tables"], 2);
    assert_eq!(report["masks"], 1);
    let path = &row_groups(&server.data)[0];
    let mut bytes = std::fs::read(path).expect("read");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x10;
    std::fs::write(path, bytes).expect("write");
    for stop in [false, true] {
        if stop {
            server.kill();
        }
        let (code, report) = check(&server.data);
        assert_eq!(code, Some(4), "{report}");
        let damage = &report["damages"][0];
        assert_eq!(damage["table"], "public.victim", "{report}");
        assert!(damage["column"].is_string() && damage["block"].is_number());
        assert_eq!(
            (&damage["slice"], &report["damages"][1]),
            (&0.into(), &serde_json::Value::Null)
        );
    }
}
