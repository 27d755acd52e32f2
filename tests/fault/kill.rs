//! `kill -9` at random moments under a mixed load and vacuums: every acknowledged commit is there after the restart, and nothing
//! that was not acknowledged, but for a statement in flight, which is there whole or not at all.

use blueshift_tests::client::try_connect;
use blueshift_tests::{Client, Server, ServerOptions, connect, full};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const WORKERS: u64 = 4;
/// Rows of one batch; every batch is written by one statement, so it is there whole or not at all.
const BATCH_ROWS: u64 = 500;

/// What one worker knows of its own table.
#[derive(Clone, Default)]
struct Expected {
    /// Rows and sum after the last acknowledged statement.
    acknowledged: (u64, u64),
    /// The same had the statement in flight succeeded too.
    in_flight: Option<(u64, u64)>,
}

/// One step of a worker: a statement and what it makes of (rows, sum).
fn step(
    worker: u64,
    number: u64,
    state: (u64, u64),
    copy_file: &str,
    random: &mut StdRng,
) -> (String, (u64, u64)) {
    let (rows, sum) = state;
    let first = number * BATCH_ROWS;
    let batch_sum = BATCH_ROWS * number;
    match random.random_range(0..6) {
        0 | 1 => {
            let values: Vec<String> = (0..BATCH_ROWS)
                .map(|row| format!("({}, {number}, {number})", first + row))
                .collect();
            let sql = format!("INSERT INTO kill_{worker} VALUES {}", values.join(","));
            (sql, (rows + BATCH_ROWS, sum + batch_sum))
        }
        2 | 3 => (
            format!("COPY kill_{worker} FROM '{copy_file}' DELIMITER ','"),
            (rows + BATCH_ROWS, sum + BATCH_ROWS),
        ),
        4 => (
            format!("UPDATE kill_{worker} SET amount = amount + 1"),
            (rows, sum + rows),
        ),
        _ => (format!("DELETE FROM kill_{worker}"), (0, 0)),
    }
}

async fn work(port: u16, worker: u64, seed: u64, start: Expected, copy_file: String) -> Expected {
    let mut random = StdRng::seed_from_u64(seed ^ (worker << 32));
    let mut expected = start;
    let Ok(client) = try_connect(port).await else {
        return expected;
    };
    for number in 1.. {
        let (sql, after) = step(
            worker,
            number,
            expected.acknowledged,
            &copy_file,
            &mut random,
        );
        expected.in_flight = Some(after);
        match client.try_rows(&sql).await {
            Ok(_) => {
                expected.acknowledged = after;
                expected.in_flight = None;
            }
            Err(error) if error.as_db_error().is_none() => return expected,
            Err(error) => {
                let code = error
                    .as_db_error()
                    .map(|db| db.code().code().to_string())
                    .unwrap_or_default();
                assert!(
                    code.starts_with("57P"),
                    "{sql}: {}",
                    blueshift_tests::client::explain(&error)
                );
                return expected;
            }
        }
    }
    expected
}

/// Vacuums the tables of all workers again and again while they are written to, until the server is gone.
async fn vacuum(port: u16) {
    let Ok(client) = try_connect(port).await else {
        return;
    };
    for number in 0.. {
        let kind = ["FULL", "DELETE ONLY", "RECLUSTER"][number as usize % 3];
        let threshold = match kind {
            "RECLUSTER" => "",
            _ => "TO 100 PERCENT",
        };
        let sql = format!("VACUUM {kind} kill_{} {threshold}", number % WORKERS);
        if let Err(error) = client.try_rows(&sql).await {
            let code = error.as_db_error().map(|db| db.code().code().to_string());
            let ended = code.is_none_or(|code| code.starts_with("57P"));
            assert!(ended, "{sql}: {}", blueshift_tests::client::explain(&error));
            return;
        }
    }
}

async fn observed(client: &Client, worker: u64) -> (u64, u64) {
    let text = client
        .value(&format!(
            "SELECT count(*), coalesce(sum(amount), 0) FROM kill_{worker}"
        ))
        .await;
    let mut parts = text
        .split('|')
        .map(|part| part.parse::<u64>().expect("a number"));
    (parts.next().expect("rows"), parts.next().expect("sum"))
}

fn write_copy_file(directory: &Path) -> String {
    let path = directory.join("batch.csv");
    let lines: Vec<String> = (0..BATCH_ROWS).map(|row| format!("{row},1,1\n")).collect();
    std::fs::write(&path, lines.concat()).expect("write the batch");
    format!("file://{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commits_survive_kills() {
    let rounds = if full() { 200 } else { 50 };
    let seed: u64 = std::env::var("BLUESHIFT_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_261_121);
    println!("seed {seed}");
    let files = tempfile::tempdir().expect("a directory");
    let copy_file = write_copy_file(files.path());
    let options = ServerOptions {
        slices: Some(3),
        arguments: vec!["--copy-root".into(), files.path().display().to_string()],
        ..ServerOptions::default()
    };
    let mut server = Server::start(options).await;
    let mut expected = vec![Expected::default(); WORKERS as usize];
    let client = connect(server.port).await;
    for worker in 0..WORKERS {
        client
            .run(&format!(
                "CREATE TABLE kill_{worker} (id INTEGER, batch INTEGER, amount BIGINT) DISTKEY(id) SORTKEY(id)"
            ))
            .await;
    }
    let mut random = StdRng::seed_from_u64(seed);
    let statements = Arc::new(AtomicU64::new(0));
    for round in 0..rounds {
        let tasks: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let start = expected[worker as usize].clone();
                tokio::spawn(work(
                    server.port,
                    worker,
                    seed + round,
                    start,
                    copy_file.clone(),
                ))
            })
            .collect();
        let vacuum = tokio::spawn(vacuum(server.port));
        // The moment of the kill is the point of the test.
        tokio::time::sleep(Duration::from_millis(random.random_range(20..400))).await;
        server.kill();
        for (worker, task) in tasks.into_iter().enumerate() {
            expected[worker] = task.await.expect("a worker");
        }
        vacuum.await.expect("the vacuum");
        server = server.restart().await;
        let client = connect(server.port).await;
        for worker in 0..WORKERS {
            let found = observed(&client, worker).await;
            let known = &mut expected[worker as usize];
            assert!(
                found == known.acknowledged || Some(found) == known.in_flight,
                "round {round}, worker {worker}: found {found:?}, acknowledged {:?}, in flight {:?}, seed {seed}",
                known.acknowledged,
                known.in_flight,
            );
            known.acknowledged = found;
            known.in_flight = None;
            statements.fetch_add(1, Ordering::Relaxed);
        }
    }
    assert_eq!(statements.load(Ordering::Relaxed), rounds * WORKERS);
}
