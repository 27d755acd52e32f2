//! The TPC-DS suite: the 99 queries beside DuckDB, whose extension makes the tables and the texts.
//!
//! DuckDB always runs, since its answers are those to compare with. Where Redshift's rules are others, as in AVG of
//! whole numbers, `peers/tpcds.py` writes them out for DuckDB; the texts sent here are the extension's.

use crate::answers::exact_difference;
use crate::report::{Figures, best, print_queries};
use crate::server::Server;
use crate::tpch::{suite_directory, write_json};
use crate::{Options, client, peers};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio_postgres::Client;

/// A query that takes longer is told of.
const QUERY_SECONDS_MAX: f64 = 2.0;

fn schema_file() -> PathBuf {
    peers::crate_directory().join("tpcds/schema.sql")
}

/// Makes tables and queries under `work`, once.
fn ensure_made(work: &Path, scale: f64) -> Result<()> {
    let done = work.join("complete");
    if done.exists() {
        return Ok(());
    }
    println!(
        "making TPC-DS tables at scale {scale} in {}",
        work.display()
    );
    let made = peers::tpcds(work, "make")?
        .arg(schema_file())
        .arg(scale.to_string())
        .status()?;
    ensure!(made.success(), "the tables could not be made");
    std::fs::write(done, "")?;
    Ok(())
}

/// Creates the tables and loads them; gives the seconds.
async fn load(client: &Client, tables: &Path) -> Result<f64> {
    let schema = std::fs::read_to_string(schema_file())?;
    let mut seconds = 0.0;
    for statement in schema.split(';').map(str::trim) {
        let Some(rest) = statement.strip_prefix("CREATE TABLE ") else {
            continue;
        };
        let table = rest.split_whitespace().next().context("a table's name")?;
        client::rows(client, statement).await?;
        let begun = Instant::now();
        let file = tables.join(format!("{table}.csv"));
        let copy = format!(
            "COPY {table} FROM 'file://{}' CSV DELIMITER '|' NULL AS '\\N'",
            file.display()
        );
        client::rows(client, &copy)
            .await
            .with_context(|| format!("COPY {table}"))?;
        seconds += begun.elapsed().as_secs_f64();
    }
    Ok(seconds)
}

/// Loads, runs every query `repeats` times here and on DuckDB, compares the answers, and prints.
pub async fn queries(options: &Options) -> Result<()> {
    ensure!(
        options.peers.iter().all(|peer| peer == "duckdb"),
        "TPC-DS runs beside duckdb only"
    );
    let work = suite_directory(options.work.as_ref(), "tpcds", options.scale)?;
    ensure_made(&work, options.scale)?;
    let tables = work.join("tables");
    let data = work.join(format!("blueshift-data-{}", options.slices));
    let server = Server::start(&data, options.slices, &tables).await?;
    let client = client::connect(server.port).await?;
    let load_seconds = load(&client, &tables).await?;
    println!(
        "blueshift: loaded in {load_seconds:.2} s, {} MB on disk",
        server.stored_bytes()? / 1_000_000
    );
    let numbers = if options.queries.is_empty() {
        (1..=99).collect()
    } else {
        options.queries.clone()
    };
    let mut ours = BTreeMap::new();
    let mut answers = BTreeMap::new();
    let mut failed = Vec::new();
    let cpu_before = server.cpu_seconds();
    for number in &numbers {
        let name = format!("q{number:02}");
        let text = std::fs::read_to_string(work.join(format!("queries/{name}.sql")))
            .with_context(|| format!("there is no query {number}"))?;
        let mut seconds = Vec::new();
        for _ in 0..options.repeats {
            let begun = Instant::now();
            match client::rows(&client, &text).await {
                Ok(rows) => {
                    seconds.push(begun.elapsed().as_secs_f64());
                    answers.insert(name.clone(), rows);
                }
                Err(error) => {
                    failed.push(format!("{name} failed: {error:#}"));
                    break;
                }
            }
        }
        if !seconds.is_empty() {
            ours.insert(name, seconds);
        }
    }
    let cpu_seconds = server.cpu_seconds() - cpu_before;
    let peak = server.memory_bytes("VmHWM");
    drop(server);
    println!("running duckdb");
    let ran = peers::tpcds(&work, "run")?
        .args([options.threads, options.repeats].map(|count| count.to_string()))
        .args(numbers.iter().map(u32::to_string))
        .status()?;
    ensure!(ran.success(), "duckdb failed");
    let duckdb = peers::read(&work.join("duckdb.json"))?;
    for (name, rows) in &answers {
        let theirs = duckdb.answers.get(name).context("an answer of duckdb")?;
        if let Some(text) = exact_difference(rows, theirs) {
            failed.push(format!("{name} differs from {}: {text}", duckdb.peer));
        }
    }
    let bests = |queries: &BTreeMap<String, Vec<f64>>| {
        queries
            .iter()
            .map(|(query, seconds)| (query.clone(), best(seconds)))
            .collect::<BTreeMap<_, _>>()
    };
    let seconds = BTreeMap::from([
        ("blueshift".to_string(), bests(&ours)),
        (duckdb.peer.clone(), bests(&duckdb.queries)),
    ]);
    let slow: Vec<_> = ours
        .iter()
        .filter(|(_, seconds)| best(seconds) > QUERY_SECONDS_MAX)
        .map(|(name, _)| name.as_str())
        .collect();
    print_queries(&ours, &[duckdb]);
    println!("over {QUERY_SECONDS_MAX} s: {}", slow.join(" "));
    println!(
        "server cpu {:.2} s a run of all, peak memory {} MB",
        cpu_seconds / f64::from(options.repeats),
        peak / 1_000_000
    );
    for text in &failed {
        println!("{text}");
    }
    println!(
        "{} of {} answers agree with duckdb",
        numbers.len() - failed.len().min(numbers.len()),
        numbers.len()
    );
    let figures = BTreeMap::from([
        ("load_seconds".to_string(), load_seconds),
        ("peak_bytes".to_string(), peak as f64),
        ("cpu_seconds".to_string(), cpu_seconds),
    ]);
    write_json(
        options,
        &Figures {
            suite: "tpcds",
            scale: options.scale,
            slices: options.slices,
            seconds,
            figures,
        },
    )?;
    if !failed.is_empty() {
        bail!("{} queries are wrong", failed.len());
    }
    Ok(())
}
