//! The 99 TPC-DS queries, small, on 1 and on 4 slices: the benchmark driver compares every answer with DuckDB's.

use blueshift_tests::full;
use blueshift_tests::server::binary;
use std::path::Path;
use std::process::Command;

#[test]
fn tpcds_answers_are_duckdbs_on_1_and_4_slices() {
    // Tables are made once, and kept with the build output.
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tpcds");
    let scale = if full() { "0.2" } else { "0.01" };
    for slices in ["1", "4"] {
        let output = Command::new(binary().with_file_name("blueshift-benches"))
            .args(["tpcds", "--scale", scale, "--repeats", "1"])
            .args(["--slices", slices])
            .arg("--work")
            .arg(&work)
            .output()
            .expect("the benchmark driver runs: build the workspace first");
        let text = String::from_utf8_lossy(&output.stdout).to_string()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.contains("99 of 99 answers agree"),
            "{text}"
        );
    }
}
