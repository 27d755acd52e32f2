//! Peers from PyPI, each in a process of its own.

use crate::Options;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a peer reports.
#[derive(Deserialize)]
pub struct PeerResult {
    /// Name and version.
    pub peer: String,
    /// Seconds to load each table, if it loaded.
    #[serde(default)]
    pub load_seconds: BTreeMap<String, f64>,
    /// Seconds of each run of each query.
    pub queries: BTreeMap<String, Vec<f64>>,
    /// Rows of each query as text.
    pub answers: BTreeMap<String, Vec<Vec<Option<String>>>>,
    /// Size on disk, if it stores.
    #[serde(default)]
    pub database_bytes: Option<u64>,
}

/// Gives the folder of this crate.
pub fn crate_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Gives the folder of the TPC-H schema and queries, which the demo carries.
pub fn tpch_suite() -> PathBuf {
    crate_directory().join("../leader/src/cli/demo/tpch")
}

/// Makes a Python environment beside `work` with what a file of requirements names, once.
fn environment(work: &Path, name: &str, requirements: &str) -> Result<PathBuf> {
    let environment = work.parent().unwrap_or(work).join(name);
    let python = environment.join("bin/python");
    let requirements = crate_directory().join("peers").join(requirements);
    if !environment.join("complete").exists() {
        println!("installing into {}", environment.display());
        ensure!(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment)
                .status()?
                .success(),
            "python3 -m venv failed; the peers need Python 3 with venv"
        );
        ensure!(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "-r"])
                .arg(requirements)
                .status()?
                .success(),
            "the peers could not be installed from PyPI"
        );
        std::fs::write(environment.join("complete"), "")?;
    }
    Ok(python)
}

/// Makes the Python environment with the peers, once.
fn python(work: &Path) -> Result<PathBuf> {
    environment(work, "peers-venv", "requirements.txt")
}

/// Gives a command that runs a script of `peers/` with the peers at hand.
pub fn command(work: &Path, script: &str) -> Result<Command> {
    let mut command = Command::new(python(work)?);
    command.arg(crate_directory().join("peers").join(script));
    Ok(command)
}

/// Gives a command of `peers/wide.py`.
pub fn wide(work: &Path) -> Result<Command> {
    let python = environment(work, "wide-venv", "wide-requirements.txt")?;
    let mut command = Command::new(python);
    command.arg(crate_directory().join("peers/wide.py"));
    Ok(command)
}

/// Gives a command of `peers/tpcds.py`: `make` or `run`.
pub fn tpcds(work: &Path, order: &str) -> Result<Command> {
    let python = environment(work, "tpcds-venv", "tpcds-requirements.txt")?;
    let mut command = Command::new(python);
    command
        .arg(crate_directory().join("peers/tpcds.py"))
        .arg(order)
        .arg(work);
    Ok(command)
}

/// Reads what a peer wrote.
pub fn read(path: &Path) -> Result<PeerResult> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("{} is missing", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

/// Runs the peers asked for, in turn.
pub fn run(
    options: &Options,
    tables: &Path,
    work: &Path,
    load_only: Option<&str>,
) -> Result<Vec<PeerResult>> {
    let mut results = Vec::new();
    let suite = tpch_suite();
    let threads = options.threads.to_string();
    let repeats = options.repeats.to_string();
    let wants = |name: &str| options.peers.iter().any(|peer| peer == name);
    for peer in &options.peers {
        ensure!(
            ["duckdb", "datafusion"].contains(&peer.as_str()),
            "no peer \"{peer}\"; there are duckdb, datafusion"
        );
    }
    if wants("duckdb") || wants("datafusion") {
        let python = python(work)?;
        // DuckDB also writes the Parquet files that DataFusion reads.
        let mut command = Command::new(&python);
        command
            .arg(crate_directory().join("peers/duckdb_peer.py"))
            .args([tables, work, &suite]);
        command.args([&threads, &repeats]);
        if let Some(table) = load_only {
            command.args(["--load-only", table]);
        } else if wants("datafusion") {
            command.arg("--parquet");
        }
        println!("running duckdb");
        ensure!(command.status()?.success(), "duckdb failed");
        results.push(read(&work.join("duckdb.json"))?);
        if wants("datafusion") && load_only.is_none() {
            println!("running datafusion");
            let mut command = Command::new(&python);
            command
                .arg(crate_directory().join("peers/datafusion_peer.py"))
                .args([work, &suite]);
            ensure!(
                command.args([&threads, &repeats]).status()?.success(),
                "datafusion failed"
            );
            results.push(read(&work.join("datafusion.json"))?);
        }
    }
    Ok(results)
}
