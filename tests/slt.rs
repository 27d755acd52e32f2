//! Every `.slt` file, on one slice and on several: the answers must not depend on where rows lie.

use blueshift_tests::{Server, ServerOptions, logic};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many files of `suite` run at the same time; the others look at what they share, such as users and settings.
const FILES_AT_ONCE: usize = 4;

async fn run_all(slices: u32) {
    // Where `$__TEST_DIR__` of a file is, and what COPY reads.
    let files = std::env::temp_dir().display().to_string();
    let fixture = logic::fixture().display().to_string();
    let roots = [
        "--copy-root",
        &files,
        "--copy-root",
        &fixture,
        "--unload-root",
        &files,
    ];
    let server = Server::start(ServerOptions {
        slices: Some(slices),
        arguments: roots.map(str::to_owned).into(),
        ..ServerOptions::default()
    })
    .await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let files = logic::files(&folder);
    assert!(!files.is_empty());
    let port = server.port;
    let named = |file: &Path| file.strip_prefix(&folder).unwrap_or(file).to_owned();
    let numbered = files.iter().enumerate();
    let (together, alone): (Vec<_>, Vec<_>) =
        numbered.partition(|(_, file)| named(file).starts_with("suite"));
    let mut failures = Vec::new();
    for (number, file) in alone {
        if let Err(text) = logic::run_file(port, file, number).await {
            failures.push(format!("{}: {text}", named(file).display()));
        }
    }
    let places = Arc::new(Semaphore::new(FILES_AT_ONCE));
    let mut running = JoinSet::new();
    for (number, file) in together {
        let (places, name, file) = (Arc::clone(&places), named(file), file.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let result = logic::run_file(port, &file, number).await;
            result
                .err()
                .map(|text| format!("{}: {text}", name.display()))
        });
    }
    failures.extend(running.join_all().await.into_iter().flatten());
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
