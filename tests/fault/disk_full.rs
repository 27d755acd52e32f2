//! A full disk: the statement fails with 53100, what was committed stays, and there is room again after a drop.

use blueshift_tests::{Server, ServerOptions, connect};
use std::path::Path;
use std::process::Command;

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
    client
        .run("CREATE TABLE filler (a VARCHAR(4000) ENCODE raw) DISTSTYLE EVEN")
        .await;
    let mut full = None;
    for _ in 0..200 {
        let row = |n: usize| format!("('{}')", format!("{n:04}").repeat(900));
        let values: Vec<String> = (0..100).map(row).collect();
        if let Err(error) = client
            .try_rows(&format!("INSERT INTO filler VALUES {}", values.join(",")))
            .await
        {
            full = Some(error);
            break;
        }
    }
    let error = full.expect("24 MB hold less than 70 MB");
    let code = error.as_db_error().map(|db| db.code().code().to_string());
    assert_eq!(
        code.as_deref(),
        Some("53100"),
        "{}",
        blueshift_tests::client::explain(&error)
    );
    assert_eq!(client.value("SELECT sum(a) FROM kept").await, "3");
    assert!(server.is_alive());
    client.run("DROP TABLE filler").await;
    client.run("INSERT INTO kept VALUES (4)").await;
    server.kill();
    let server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.value("SELECT sum(a) FROM kept").await, "7");
}
