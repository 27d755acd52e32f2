//! Random queries here and on DuckDB, on one slice and on several: the answers must agree.

use blueshift_tests::{full, python, server};
use std::path::Path;
use std::process::Command;

#[test]
fn random_queries_agree_with_duckdb() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/differential.py");
    let (seeds, queries) = if full() { (1..=20, 3000) } else { (1..=1, 250) };
    let first: u64 = std::env::var("BLUESHIFT_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(100);
    for seed in seeds {
        for slices in [1, 2, 5] {
            let output = Command::new(python())
                .arg(&script)
                .args([
                    (first + seed * 10 + slices).to_string(),
                    queries.to_string(),
                    slices.to_string(),
                ])
                .env("BLUESHIFT_BINARY", server::binary())
                .output()
                .expect("python runs");
            let text = String::from_utf8_lossy(&output.stdout).to_string()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("ok"), "{text}");
        }
    }
}
