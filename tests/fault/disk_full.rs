//! A full disk: the statement fails with 53100, what was committed stays, and there is room again after a drop.

use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A small file system in memory; needs the right to mount.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        let directory = tempfile::tempdir().expect("a directory");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(directory.path())
            .status();
        status
            .is_ok_and(|status| status.success())
            .then_some(SmallDisk { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server's files may still be open.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.directory.path())
            .status();
    }
}

/// Fills the disk to the last byte with a file of somebody else's.
fn fill_up(disk: &SmallDisk) {
    let path = disk.path().join("somebody-else");
    let open = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    let mut file = open.expect("a file");
    for bytes in [1 << 16, 1 << 12, 1] {
        // It ends when nothing fits any more.
        while file.write(&vec![7; bytes]).is_ok_and(|written| written > 0) {}
    }
}

/// Fills the disk up, and sees that what needs room is refused. The last block of the log may have some.
async fn ensure_full(disk: &SmallDisk, client: &Client) {
    fill_up(disk);
    for _ in 0..100 {
        let Err(error) = client.try_rows("INSERT INTO noise VALUES (3)").await else {
            continue;
        };
        let code = error.as_db_error().map(|db| db.code().code().to_string());
        let explained = blueshift_tests::client::explain(&error);
        assert_eq!(code.as_deref(), Some("53100"), "{explained}");
        return;
    }
    panic!("the disk is not full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_statement_and_nothing_else() {
    let Some(disk) = SmallDisk::mount(24) else {
        println!("no right to mount a small disk here: not tested");
        return;
    };
    let options = ServerOptions {
        data: Some(disk.path().join("data")),
        ..ServerOptions::default()
    };
    let mut server = Server::start(options).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE kept (a INTEGER)").await;
    client.run("INSERT INTO kept VALUES (1), (2)").await;
    client.run("CREATE TABLE noise (a INTEGER)").await;
    client
        .run("CREATE TABLE filler (a VARCHAR(4000) ENCODE raw) DISTSTYLE EVEN")
        .await;
    let row = |n: usize| format!("('{}')", format!("{n:04}").repeat(900));
    let values: Vec<String> = (0..100).map(row).collect();
    let insert = format!("INSERT INTO filler VALUES {}", values.join(","));
    let mut full = false;
    for _ in 0..200 {
        if let Err(error) = client.try_rows(&insert).await {
            let code = error.as_db_error().map(|db| db.code().code().to_string());
            let explained = blueshift_tests::client::explain(&error);
            assert_eq!(code.as_deref(), Some("53100"), "{explained}");
            full = true;
            break;
        }
    }
    assert!(full, "24 MB hold less than 70 MB");
    ensure_full(&disk, &client).await;
    let (code, text) = client.failure("CREATE TABLE another (a INTEGER)").await;
    assert_eq!(code, "53100", "{text}");
    assert_eq!(client.value("SELECT sum(a) FROM kept").await, "3");
    assert!(server.is_alive());
    client.run("DROP TABLE filler").await;
    while client
        .try_rows("INSERT INTO kept VALUES (4)")
        .await
        .is_err()
    {
        // The files go some time after the last reader.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();
    let server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.value("SELECT sum(a) FROM kept").await, "7");
}

/// Everything that frees room works when there is none: first what frees little, last what frees all.
#[tokio::test(flavor = "multi_thread")]
async fn what_frees_room_works_on_a_disk_full_to_the_last_byte() {
    let Some(disk) = SmallDisk::mount(24) else {
        println!("no right to mount a small disk here: not tested");
        return;
    };
    let options = ServerOptions {
        slices: Some(2),
        data: Some(disk.path().join("data")),
        ..ServerOptions::default()
    };
    let mut server = Server::start(options).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE kept (a INTEGER)").await;
    client.run("INSERT INTO kept VALUES (1), (2)").await;
    client.run("CREATE TABLE noise (a INTEGER)").await;
    client.run("CREATE VIEW seen AS SELECT a FROM kept").await;
    for table in ["deleted", "truncated", "dropped"] {
        client
            .run(&format!(
                "CREATE TABLE {table} (a INTEGER, b VARCHAR(100)) DISTSTYLE EVEN"
            ))
            .await;
        let row = |n: usize| format!("({n}, 'text {}')", n * 7_919 % 10_007);
        let rows: Vec<String> = (0..5_000).map(row).collect();
        client
            .run(&format!("INSERT INTO {table} VALUES {}", rows.join(",")))
            .await;
        client.run(&format!("VACUUM {table}")).await;
    }
    for (statement, left) in [
        ("DELETE FROM deleted WHERE a % 3 > 0", "1667"),
        ("VACUUM DELETE ONLY deleted TO 100 PERCENT", "1667"),
        ("DELETE FROM deleted", "0"),
    ] {
        ensure_full(&disk, &client).await;
        client.run(statement).await;
        let count = client.value("SELECT count(*) FROM deleted").await;
        assert_eq!(count, left, "{statement}");
    }
    for statement in ["TRUNCATE truncated", "DROP TABLE dropped", "DROP VIEW seen"] {
        ensure_full(&disk, &client).await;
        client.run(statement).await;
    }
    ensure_full(&disk, &client).await;
    // It starts again on a full disk, and ends as asked to.
    server.kill();
    let mut server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.value("SELECT sum(a) FROM kept").await, "3");
    assert_eq!(client.value("SELECT count(*) FROM deleted").await, "0");
    assert_eq!(client.value("SELECT count(*) FROM truncated").await, "0");
    assert_eq!(client.failure("SELECT * FROM dropped").await.0, "42P01");
    drop(client);
    assert_eq!(server.stop(), Some(0));
    std::fs::remove_file(disk.path().join("somebody-else")).expect("remove");
    let server = server.restart().await;
    let client = connect(server.port).await;
    client.run("INSERT INTO kept VALUES (4)").await;
    assert_eq!(client.value("SELECT sum(a) FROM kept").await, "7");
}
