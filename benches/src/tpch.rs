//! The TPC-H suite: the 22 queries, and the load of lineitem.

use crate::answers::{as_published, difference, published};
use crate::report::{Figures, best, print_queries};
use crate::server::Server;
use crate::{Options, client, data, peers};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use tokio_postgres::Client;

/// Gives the folder of a TPC-H scale, made if need be, under `work` or beside the build output.
pub fn work_directory(work: Option<&PathBuf>, scale: f64) -> Result<PathBuf> {
    suite_directory(work, "tpch", scale)
}

/// Gives the folder of a suite at a scale, made if need be, under `work` or beside the build output.
pub fn suite_directory(work: Option<&PathBuf>, suite: &str, scale: f64) -> Result<PathBuf> {
    let target = std::env::current_exe()?
        .ancestors()
        .nth(2)
        .context("target folder")?
        .to_path_buf();
    let work = work.cloned().unwrap_or_else(|| target.join("benches"));
    let work = work.join(format!("{suite}-{scale}"));
    std::fs::create_dir_all(&work)?;
    Ok(std::fs::canonicalize(work)?)
}

/// Reads a file of the suite.
pub fn suite_file(name: &str) -> Result<String> {
    let path = peers::tpch_suite().join(name);
    std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
}

/// Creates the tables of the suite, or one of them.
pub async fn create_tables(client: &Client, only: Option<&str>) -> Result<()> {
    for statement in suite_file("schema.sql")?
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
    {
        if only.is_none_or(|table| statement.starts_with(&format!("CREATE TABLE {table} "))) {
            client::rows(client, statement).await?;
        }
    }
    Ok(())
}

/// Loads a table from text; gives the seconds it took.
pub async fn copy_table(client: &Client, tables: &std::path::Path, table: &str) -> Result<f64> {
    let begun = Instant::now();
    client::rows(
        client,
        &format!(
            "COPY {table} FROM 'file://{}/{table}.tbl.' DELIMITER '|'",
            tables.display()
        ),
    )
    .await
    .with_context(|| format!("COPY {table}"))?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Loads, runs every query `repeats` times, checks answers against the peers' and the published ones, and prints.
pub async fn queries(options: &Options) -> Result<()> {
    let work = work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let server = Server::start(&work.join("blueshift-data"), options.slices, &tables).await?;
    let client = client::connect(server.port).await?;
    create_tables(&client, None).await?;
    let mut load_seconds = 0.0;
    for table in data::TABLES {
        load_seconds += copy_table(&client, &tables, table).await?;
    }
    println!(
        "blueshift: loaded in {load_seconds:.2} s, {} MB on disk, peak memory {} MB",
        server.stored_bytes()? / 1_000_000,
        server.memory_bytes("VmHWM") / 1_000_000
    );
    let mut ours = BTreeMap::new();
    let mut answers = BTreeMap::new();
    let numbers = if options.queries.is_empty() {
        (1..=22).collect()
    } else {
        options.queries.clone()
    };
    for &number in &numbers {
        let name = format!("q{number:02}");
        let text = suite_file(&format!("{name}.sql"))?;
        let mut seconds = Vec::new();
        for _ in 0..options.repeats {
            let begun = Instant::now();
            let rows = client::rows(&client, &text)
                .await
                .with_context(|| name.clone())?;
            seconds.push(begun.elapsed().as_secs_f64());
            answers.insert(number, rows);
        }
        ours.insert(name, seconds);
    }
    let peak = server.memory_bytes("VmHWM");
    drop(server);
    let results = peers::run(options, &tables, &work, None)?;
    print_queries(&ours, &results);
    for (peer, bytes) in results
        .iter()
        .filter_map(|peer| Some((&peer.peer, peer.database_bytes?)))
    {
        println!("{peer}: {} MB on disk", bytes / 1_000_000);
    }
    println!("peak memory {} MB", peak / 1_000_000);
    let mut wrong = 0;
    for (number, rows) in &answers {
        let name = format!("q{number:02}");
        for peer in &results {
            if let Some(text) = peer
                .answers
                .get(&name)
                .and_then(|theirs| difference(rows, theirs))
            {
                println!("{name} differs from {}: {text}", peer.peer);
                wrong += 1;
            }
        }
        let official = (options.scale == 1.0).then(|| published(*number)).flatten();
        if let Some(text) =
            official.and_then(|official| difference(&as_published(*number, rows), &official))
        {
            println!("{name} differs from the published answer: {text}");
            wrong += 1;
        }
    }
    println!(
        "{} of {} answers agree everywhere",
        answers.len() - wrong.min(answers.len()),
        answers.len()
    );
    let mut seconds = BTreeMap::new();
    let bests = |queries: &BTreeMap<String, Vec<f64>>| {
        queries
            .iter()
            .map(|(query, seconds)| (query.clone(), best(seconds)))
            .collect::<BTreeMap<_, _>>()
    };
    seconds.insert("blueshift".to_string(), bests(&ours));
    for peer in &results {
        seconds.insert(peer.peer.clone(), bests(&peer.queries));
    }
    let figures = BTreeMap::from([
        ("load_seconds".to_string(), load_seconds),
        ("peak_bytes".to_string(), peak as f64),
    ]);
    write_json(
        options,
        &Figures {
            suite: "tpch",
            scale: options.scale,
            slices: options.slices,
            seconds,
            figures,
        },
    )?;
    if wrong > 0 {
        bail!("{wrong} answers differ");
    }
    Ok(())
}

/// Loads lineitem `repeats` times into a fresh server and compares with the peers' loads of the same files.
pub async fn load(options: &Options) -> Result<()> {
    let work = work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let text_bytes = data::table_bytes(&tables, "lineitem")?;
    let mut ours = Vec::new();
    let mut theirs: Vec<(String, Vec<f64>)> = Vec::new();
    let (mut stored, mut peak) = (0, 0);
    for _ in 0..options.repeats {
        let server = Server::start(&work.join("blueshift-load"), options.slices, &tables).await?;
        let client = client::connect(server.port).await?;
        create_tables(&client, Some("lineitem")).await?;
        ours.push(copy_table(&client, &tables, "lineitem").await?);
        stored = server.stored_bytes()?;
        peak = server.memory_bytes("VmHWM").max(peak);
        drop(server);
        for peer in peers::run(options, &tables, &work, Some("lineitem"))? {
            let seconds = peer
                .load_seconds
                .get("lineitem")
                .copied()
                .unwrap_or(f64::NAN);
            match theirs.iter_mut().find(|(name, _)| *name == peer.peer) {
                Some((_, all)) => all.push(seconds),
                None => theirs.push((peer.peer, vec![seconds])),
            }
        }
    }
    let rate = |seconds: f64| text_bytes as f64 / 1e6 / seconds;
    println!("lineitem: {} MB of text", text_bytes / 1_000_000);
    println!(
        "blueshift {:>8.2} s {:>7.0} MB/s, {} MB on disk, peak memory {} MB",
        best(&ours),
        rate(best(&ours)),
        stored / 1_000_000,
        peak / 1_000_000
    );
    let mut figures = BTreeMap::from([
        ("text_bytes".to_string(), text_bytes as f64),
        ("stored_bytes".to_string(), stored as f64),
        ("peak_bytes".to_string(), peak as f64),
    ]);
    let mut seconds = BTreeMap::from([(
        "blueshift".to_string(),
        BTreeMap::from([("lineitem".into(), best(&ours))]),
    )]);
    for (name, all) in &theirs {
        let ratio = best(all) / best(&ours);
        println!(
            "{name:<9} {:>8.2} s {:>7.0} MB/s, blueshift is {ratio:.2} times as fast",
            best(all),
            rate(best(all))
        );
        figures.insert(format!("ratio to {name}"), ratio);
        seconds.insert(
            name.clone(),
            BTreeMap::from([("lineitem".into(), best(all))]),
        );
    }
    write_json(
        options,
        &Figures {
            suite: "load",
            scale: options.scale,
            slices: options.slices,
            seconds,
            figures,
        },
    )
}

/// Writes the figures where the user wants them.
pub fn write_json(options: &Options, figures: &Figures) -> Result<()> {
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(figures)?)?;
    }
    Ok(())
}
