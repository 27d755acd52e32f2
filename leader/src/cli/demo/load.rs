//! CREATE TABLE and COPY, with a progress bar fed by what STV_LOAD_STATE shows.

use super::{client, data};
use crate::history;
use crate::server::Server;
use anyhow::{Context, Result, bail};
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// The design of the tables, also of the benchmarks'.
const SCHEMA: &str = include_str!("tpch/schema.sql");
/// How often the bar looks at a running COPY.
const LOOK: Duration = Duration::from_millis(100);

/// Makes the tables that are not there.
pub(super) async fn create_tables(client: &Client) -> Result<()> {
    let statements = SCHEMA.split(';').map(str::trim);
    for statement in statements.filter(|statement| !statement.is_empty()) {
        let statement = statement.replacen("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1);
        client::rows(client, &statement)
            .await
            .context("could not make a table")?;
    }
    Ok(())
}

async fn row_count(client: &Client, table: &str) -> Result<f64> {
    let rows = client::rows(client, &format!("SELECT count(*) FROM {table}")).await?;
    let count = rows.first().and_then(|row| row.first()?.as_deref());
    count
        .and_then(|count| count.parse().ok())
        .with_context(|| format!("could not count the rows of {table}"))
}

/// Gives the tables without rows: all of a new directory, those an interrupted demo did not reach of another. A COPY
/// is one commit, so a table with rows has all of them.
pub(super) async fn missing_tables(client: &Client, scale: f64) -> Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    for (table, _) in data::TABLES {
        let rows = row_count(client, table).await?;
        if rows == 0.0 {
            missing.push(table);
        } else if table != "lineitem" && (rows - data::expected_rows(table, scale)).abs() > 1.0 {
            bail!(
                "table {table} holds {rows} rows, which is not scale {scale}; name the scale it was made with, or \
                 another --data"
            );
        }
    }
    Ok(missing)
}

/// Loads tables from their manifests.
pub(super) async fn copy(
    client: &Client,
    server: &Arc<Server>,
    directory: &Path,
    tables: &[&'static str],
) -> Result<()> {
    let bytes = |table: &&str| data::table_bytes(directory, table);
    let total: u64 = tables.iter().map(bytes).sum();
    let style =
        ProgressStyle::with_template("loading  {msg:10} {wide_bar} {bytes}/{total_bytes} {eta}")?;
    let bar = ProgressBar::new(total).with_style(style);
    let begun = Instant::now();
    let mut done = 0;
    let mut rows = 0.0;
    for table in tables {
        bar.set_message(*table);
        let sql = format!(
            "COPY {table} FROM 'file://{}' MANIFEST GZIP DELIMITER '|'",
            data::manifest(directory, table).display()
        );
        let mut copying = std::pin::pin!(client::rows(client, &sql));
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                copied = &mut copying => {
                    copied.with_context(|| format!("could not load {table}"))?;
                    break;
                }
                _ = look.tick() => bar.set_position(done + bytes_done(server)),
            }
        }
        done += bytes(table);
        bar.set_position(done);
        rows += row_count(client, table).await?;
    }
    bar.finish_and_clear();
    let mut console = std::io::stdout();
    let seconds = begun.elapsed();
    writeln!(
        console,
        "loaded {} rows from {:.1} MB of gzip text in {}",
        HumanCount(rows as u64),
        total as f64 / 1e6,
        match console.is_terminal() && seconds.as_secs() > 100 {
            true => HumanDuration(seconds).to_string(),
            false => format!("{:.2} s", seconds.as_secs_f64()),
        }
    )?;
    Ok(())
}

fn bytes_done(server: &Server) -> u64 {
    let running = history::lock(&server.history.running_loads);
    running.first().map_or(0, |load| load.progress.bytes_read())
}
