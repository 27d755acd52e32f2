//! Files of every format, made at random: the rows and the refused rows are those of a reader of their own, and files in
//! place have the answers of DuckDB.

use blueshift_tests::{Server, ServerOptions, full, python};
use std::path::Path;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_read_as_a_slow_reader_reads_it() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/formats.py");
    let count = if full() { 2_000 } else { 40 };
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
        let mut command = Command::new(python());
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
