//! Every `.slt` file, on one slice and on several: the answers must not depend on where rows lie.

use blueshift_tests::{Server, ServerOptions, logic};
use std::path::Path;

async fn run_all(slices: u32) {
    let server = Server::start(ServerOptions {
        slices: Some(slices),
        ..ServerOptions::default()
    })
    .await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let files = logic::files(&folder);
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for (number, file) in files.iter().enumerate() {
        if let Err(text) = logic::run_file(server.port, file, number).await {
            failures.push(format!(
                "{}: {text}",
                file.strip_prefix(&folder).unwrap_or(file).display()
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} files differ:\n{}",
        failures.len(),
        files.len(),
        failures.join("\n\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_slice() {
    run_all(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_four_slices() {
    run_all(4).await;
}
