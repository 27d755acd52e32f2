//! Small inserts: rows a second over many connections, each statement durable before it is answered.

use crate::client;
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// What the suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Connections that insert at the same time.
    #[arg(long, default_value_t = 16)]
    pub connections: u32,
    /// Seconds of each way.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Slices of the server.
    #[arg(long, default_value_t = 2)]
    pub slices: u32,
    /// Only these ways, by name.
    #[arg(long, value_delimiter = ',')]
    pub ways: Vec<String>,
    /// Where the server's data directory is made.
    #[arg(long)]
    pub work: Option<PathBuf>,
}

/// A way to insert.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// A statement of text, a row and a transaction each.
    Simple,
    /// A prepared statement, a row and a transaction each.
    Prepared,
    /// Transactions of 1 000 prepared statements, sent without waiting for each answer, as drivers' batches are.
    Batch,
    /// Transactions of 1 000 statements of text in one message.
    Script,
    /// Statements of 1 000 rows of VALUES.
    Rows,
}

const WAYS: [(&str, Way); 5] = [
    ("simple", Way::Simple),
    ("prepared", Way::Prepared),
    ("batch", Way::Batch),
    ("script", Way::Script),
    ("rows", Way::Rows),
];

/// The types of a prepared statement's parameters.
const TYPES: [Type; 3] = [Type::INT8, Type::VARCHAR, Type::INT4];

/// Rows of a batch.
const BATCH_ROWS: i64 = 1_000;

/// Runs every way on a table of its own, and counts what is there against what was answered.
pub async fn run(options: &Options) -> Result<()> {
    let work = match &options.work {
        Some(work) => work.clone(),
        None => std::env::temp_dir().join("blueshift-inserts"),
    };
    std::fs::create_dir_all(&work)?;
    let server = Server::start(&work.join("data"), options.slices, &work).await?;
    println!(
        "{:<10} {:>12} {:>10} {:>14}",
        "way", "rows/s", "rows", "server cpu us"
    );
    for (name, way) in WAYS {
        if options.ways.is_empty() || options.ways.iter().any(|wanted| wanted == name) {
            measure(&server, options, name, way).await?;
        }
    }
    Ok(())
}

async fn measure(server: &Server, options: &Options, name: &str, way: Way) -> Result<()> {
    let admin = client::connect(server.port).await?;
    let table = format!("inserts_{name}");
    let create =
        format!("create table {table} (id bigint, kind varchar(40), amount decimal(12,2))");
    client::rows(&admin, &create).await?;
    let next = Arc::new(AtomicU64::new(0));
    let (begin, cpu) = (Instant::now(), server.cpu_seconds());
    let end = begin + Duration::from_secs(options.seconds);
    let work = (0..options.connections).map(|_| {
        let (table, next) = (table.clone(), Arc::clone(&next));
        let port = server.port;
        tokio::spawn(async move {
            let client = client::connect(port).await?;
            insert(&client, &table, way, &next, end).await
        })
    });
    let mut rows = 0;
    for done in try_join_all(work).await? {
        rows += done?;
    }
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), server.cpu_seconds() - cpu);
    let count = client::rows(
        &admin,
        &format!("select count(*), count(distinct id) from {table}"),
    )
    .await?;
    let count = count.first().context("no count")?;
    let expected = Some(rows.to_string());
    ensure!(
        count.iter().all(|count| *count == expected),
        "{rows} rows were answered, {count:?} are there"
    );
    let (rate, cpu) = (rows as f64 / seconds, cpu / rows as f64 * 1e6);
    println!("{name:<10} {rate:>12.0} {rows:>10} {cpu:>14.1}");
    Ok(())
}

/// Inserts until `end`, and gives the rows that were answered.
async fn insert(
    client: &Client,
    table: &str,
    way: Way,
    next: &AtomicU64,
    end: Instant,
) -> Result<u64> {
    let ids = |count: i64| next.fetch_add(count as u64, Ordering::Relaxed) as i64;
    let text = |id: i64| {
        format!(
            "insert into {table} values ({id}, 'kind {}', {}.25)",
            id % 7,
            id % 1000
        )
    };
    let prepared = client
        .prepare_typed(&format!("insert into {table} values ($1, $2, $3)"), &TYPES)
        .await?;
    let mut rows = 0;
    while Instant::now() < end {
        match way {
            Way::Simple => {
                client.batch_execute(&text(ids(1))).await?;
                rows += 1;
            }
            Way::Prepared => {
                let id = ids(1);
                client.execute(&prepared, &[&id, &"kind", &7_i32]).await?;
                rows += 1;
            }
            Way::Batch => {
                let first = ids(BATCH_ROWS);
                client.batch_execute("begin").await?;
                try_join_all((first..first + BATCH_ROWS).map(|id| {
                    let prepared = &prepared;
                    async move { client.execute(prepared, &[&id, &"kind", &7_i32]).await }
                }))
                .await?;
                client.batch_execute("commit").await?;
                rows += BATCH_ROWS as u64;
            }
            Way::Script => {
                let first = ids(BATCH_ROWS);
                let mut script = "begin;".to_owned();
                for id in first..first + BATCH_ROWS {
                    write!(script, "{};", text(id))?;
                }
                client.batch_execute(&(script + "commit")).await?;
                rows += BATCH_ROWS as u64;
            }
            Way::Rows => {
                let first = ids(BATCH_ROWS);
                let mut statement = format!("insert into {table} values ");
                for id in first..first + BATCH_ROWS {
                    let comma = if id == first { "" } else { "," };
                    write!(
                        statement,
                        "{comma}({id}, 'kind {}', {}.25)",
                        id % 7,
                        id % 1000
                    )?;
                }
                client.batch_execute(&statement).await?;
                rows += BATCH_ROWS as u64;
            }
        }
    }
    Ok(rows)
}
