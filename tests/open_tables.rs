//! Tables of open formats that other programs wrote: they are read as those programs read them.

use blueshift_tests::{Server, ServerOptions, full, installed};
use std::path::Path;
use std::process::Command;

async fn read(script: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("client/lake")
        .join(script);
    let count = if full() { 200 } else { 8 };
    let seed: u64 = std::env::var("BLUESHIFT_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    for slices in [1, 4] {
        let files = tempfile::TempDir::new().expect("a directory");
        let server = Server::start(ServerOptions {
            slices: Some(slices),
            arguments: vec!["--copy-root".into(), files.path().display().to_string()],
            ..ServerOptions::default()
        })
        .await;
        let mut command = Command::new(installed("BLUESHIFT_TEST_LAKE"));
        command
            .arg(&script)
            .args([server.port.to_string(), files.path().display().to_string()])
            .args([count.to_string(), (seed + u64::from(slices)).to_string()]);
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.expect("a thread").expect("python runs");
        let text = String::from_utf8_lossy(&output.stdout).to_string()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.ends_with("ok\n"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn iceberg_tables_are_read_as_their_writer_reads_them() {
    read("iceberg.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_tables_are_read_as_their_writer_reads_them() {
    read("delta.py").await;
}
