//! The TPC-H queries over Parquet files in place: external tables beside DuckDB over the same files.

use crate::answers::difference;
use crate::report::{Figures, best, print_queries};
use crate::server::Server;
use crate::tpch::{work_directory, write_json};
use crate::{Options, client, data, peers};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use tokio_postgres::Client;

/// Makes the files once, runs every query `repeats` times here and in DuckDB, compares the answers, and prints.
pub async fn queries(options: &Options) -> Result<()> {
    let work = work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    make_files(&work, &tables)?;
    let server = Server::start(&work.join("blueshift-external"), options.slices, &work).await?;
    let client = client::connect(server.port).await?;
    create_tables(&client, &work).await?;
    let numbers = if options.queries.is_empty() {
        (1..=22).collect()
    } else {
        options.queries.clone()
    };
    let mut ours = BTreeMap::new();
    let mut answers = BTreeMap::new();
    for number in numbers {
        let name = format!("q{number:02}");
        let path = peers::tpch_suite().join(format!("{name}.sql"));
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let mut seconds = Vec::new();
        for _ in 0..options.repeats {
            let begun = Instant::now();
            let rows = client::rows(&client, &text)
                .await
                .with_context(|| name.clone())?;
            seconds.push(begun.elapsed().as_secs_f64());
            answers.insert(name.clone(), rows);
        }
        ours.insert(name, seconds);
    }
    let peak = server.memory_bytes("VmHWM");
    drop(server);
    let theirs = run_duckdb(options, &work)?;
    print_queries(&ours, &theirs);
    println!("peak memory {} MB", peak / 1_000_000);
    let mut wrong = 0;
    for (name, rows) in &answers {
        for peer in &theirs {
            let told = peer.answers.get(name);
            if let Some(text) = told.and_then(|told| difference(rows, told)) {
                println!("{name} differs from {}: {text}", peer.peer);
                wrong += 1;
            }
        }
    }
    println!(
        "{} of {} answers agree",
        answers.len() - wrong,
        answers.len()
    );
    let bests = |queries: &BTreeMap<String, Vec<f64>>| -> BTreeMap<String, f64> {
        let queries = queries.iter();
        queries
            .map(|(query, seconds)| (query.clone(), best(seconds)))
            .collect()
    };
    let mut seconds = BTreeMap::from([("blueshift".to_string(), bests(&ours))]);
    for peer in &theirs {
        seconds.insert(peer.peer.clone(), bests(&peer.queries));
    }
    write_json(
        options,
        &Figures {
            suite: "external",
            scale: options.scale,
            slices: options.slices,
            seconds,
            figures: BTreeMap::from([("peak_bytes".to_string(), peak as f64)]),
        },
    )?;
    match wrong {
        0 => Ok(()),
        _ => bail!("{wrong} answers differ"),
    }
}

/// Writes the tables as Parquet, unless they are there.
fn make_files(work: &Path, tables: &Path) -> Result<()> {
    let complete = work.join("parquet/complete");
    if complete.exists() {
        return Ok(());
    }
    println!("making Parquet files");
    let mut command = peers::command(work, "duckdb_external.py")?;
    command
        .arg("make")
        .args([tables, work, &peers::tpch_suite()]);
    ensure!(command.status()?.success(), "the files could not be made");
    std::fs::write(complete, "")?;
    Ok(())
}

/// Makes the external tables, and views by whose names the queries call them.
async fn create_tables(client: &Client, work: &Path) -> Result<()> {
    let schema = "CREATE EXTERNAL SCHEMA lake FROM DATA CATALOG DATABASE 'lake' IAM_ROLE default \
                  CREATE EXTERNAL DATABASE IF NOT EXISTS";
    client::rows(client, schema).await?;
    for table in data::TABLES {
        let place = work.join("parquet").join(table);
        let place = place.display();
        let create = format!("CREATE EXTERNAL TABLE lake.{table} INFER FROM 'file://{place}/'");
        client::rows(client, &create).await?;
        let view =
            format!("CREATE VIEW {table} AS SELECT * FROM lake.{table} WITH NO SCHEMA BINDING");
        client::rows(client, &view).await?;
    }
    Ok(())
}

fn run_duckdb(options: &Options, work: &Path) -> Result<Vec<peers::PeerResult>> {
    println!("running duckdb");
    let mut command = peers::command(work, "duckdb_external.py")?;
    command.arg("run").args([work, &peers::tpch_suite()]);
    command.args([options.threads.to_string(), options.repeats.to_string()]);
    ensure!(command.status()?.success(), "duckdb failed");
    Ok(vec![peers::read(&work.join("duckdb-external.json"))?])
}
