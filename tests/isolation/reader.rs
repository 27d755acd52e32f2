//! A long reader: one checksum, whatever others do to the table meanwhile.

use super::Script;
use blueshift_tests::{Server, ServerOptions, full};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROWS: u64 = 20_000;
const CHECKSUM: &str = "SELECT count(*), sum(a), sum(b), min(b), max(a), sum(len(c)) FROM t";

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reader_sees_one_checksum_during_copy_vacuum_and_delete() {
    let files = tempfile::TempDir::new().expect("a temporary directory");
    let server = Server::start(ServerOptions {
        slices: Some(2),
        arguments: vec!["--copy-root".into(), files.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await;
    let file = files.path().join("rows.csv");
    let rows: String = (0..ROWS)
        .map(|row| format!("{},{row},text {}\n", (row * 7_919) % ROWS, row % 100))
        .collect();
    std::fs::write(&file, rows).expect("write the rows");
    let copy = format!("COPY t FROM 'file://{}' DELIMITER ','", file.display());
    let (reader, writer) = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    writer
        .run("CREATE TABLE t (a INTEGER, b BIGINT, c VARCHAR(20)) DISTKEY(b) SORTKEY(a)")
        .await;
    writer.run(&copy).await;
    writer.run(&copy).await;
    reader.run("BEGIN").await;
    let checksum = reader.rows(CHECKSUM).await;
    assert!(checksum[0].starts_with(&format!("{}|", 2 * ROWS)));

    let is_over = Arc::new(AtomicBool::new(false));
    let writes = tokio::spawn({
        let (writer, is_over, copy) = (writer.clone(), is_over.clone(), copy.clone());
        async move {
            let mut rounds = 0_u64;
            while !is_over.load(Ordering::SeqCst) {
                writer.run(&copy).await;
                writer
                    .run(&format!("DELETE FROM t WHERE b % 4 = {}", rounds % 4))
                    .await;
                writer
                    .run("UPDATE t SET c = 'changed' WHERE a % 10 = 3")
                    .await;
                writer.run("VACUUM FULL t TO 100 PERCENT").await;
                rounds += 1;
                if rounds.is_multiple_of(3) {
                    writer.run("DELETE FROM t WHERE a > 100").await;
                    writer.run("VACUUM DELETE ONLY t").await;
                }
            }
            rounds
        }
    });
    let begun = Instant::now();
    let (reads_min, time) = match full() {
        true => (0, Duration::from_secs(600)),
        false => (20, Duration::from_secs(2)),
    };
    let mut reads = 0;
    while reads < reads_min || begun.elapsed() < time {
        assert_eq!(reader.rows(CHECKSUM).await, checksum);
        assert!(!writes.is_finished(), "the writer failed");
        reads += 1;
    }
    is_over.store(true, Ordering::SeqCst);
    let rounds = writes.await.expect("writer");
    assert!(rounds > 0);
    assert_eq!(reader.rows(CHECKSUM).await, checksum);
    reader.run("COMMIT").await;
    assert_ne!(reader.rows(CHECKSUM).await, checksum);
}
