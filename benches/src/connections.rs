//! Many connections: memory of idle ones, the round trip and the rate of `SELECT 1`, and a wide result in binary.

use crate::postgres::Postgres;
use crate::server::{PASSWORD, Server};
use crate::{client, peers};
use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use futures::future::try_join_all;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// What the suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Connections that wait.
    #[arg(long, default_value_t = 1_000)]
    pub idle: usize,
    /// Connections that work beside them.
    #[arg(long, default_value_t = 100)]
    pub active: usize,
    /// Connections of the rate of `SELECT 1`.
    #[arg(long, default_value_t = 16)]
    pub connections: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Rows of the wide result, of ten columns.
    #[arg(long, default_value_t = 1_000_000)]
    pub rows: u64,
    /// Fetches of the wide result by psycopg; the best is reported.
    #[arg(long, default_value_t = 3)]
    pub repeats: u32,
    /// Slices of the server.
    #[arg(long, default_value_t = 2)]
    pub slices: u32,
    /// Where the server's data directory is made.
    #[arg(long)]
    pub work: Option<PathBuf>,
}

/// How `SELECT 1` is sent.
#[derive(Clone, Copy)]
enum Way {
    Simple,
    Prepared,
}

/// Runs all measurements on one server.
pub async fn run(options: &Options) -> Result<()> {
    let work = match &options.work {
        Some(work) => work.clone(),
        None => std::env::temp_dir().join("blueshift-connections"),
    };
    std::fs::create_dir_all(&work)?;
    let places = (options.idle + options.active + options.connections + 10).to_string();
    let settings = [("BLUESHIFT_CONNECTIONS", places.as_str())];
    let server = Server::start_with(&work.join("data"), options.slices, &work, &settings).await?;
    for (name, way) in [("simple", Way::Simple), ("prepared", Way::Prepared)] {
        measure(&server, options, name, way).await?;
    }
    idle(&server, options).await?;
    wide(&server, options, &work).await
}

async fn select(client: &Client, way: Way, times: &mut Vec<Duration>, end: Instant) -> Result<()> {
    let statement = client.prepare("SELECT 1").await?;
    while Instant::now() < end {
        let begun = Instant::now();
        match way {
            Way::Simple => drop(client.simple_query("SELECT 1").await?),
            Way::Prepared => drop(client.query(&statement, &[]).await?),
        }
        times.push(begun.elapsed());
    }
    Ok(())
}

async fn measure(server: &Server, options: &Options, name: &str, way: Way) -> Result<()> {
    for connections in [1, options.connections] {
        let cpu = server.cpu_seconds();
        let length = Duration::from_secs(options.seconds);
        let end = Instant::now() + length;
        let port = server.port;
        let work = (0..connections).map(|_| {
            tokio::spawn(async move {
                let client = client::connect(port).await?;
                let mut times = Vec::new();
                select(&client, way, &mut times, end).await?;
                Ok::<_, anyhow::Error>(times)
            })
        });
        let mut times = Vec::new();
        for done in try_join_all(work).await? {
            times.extend(done?);
        }
        times.sort_unstable();
        let cpu = (server.cpu_seconds() - cpu) / times.len().max(1) as f64 * 1e6;
        let middle = times.get(times.len() / 2).context("no answers")?;
        println!(
            "SELECT 1, {name}, {connections} connections: p50 {:.3} ms, {:.0} a second, {cpu:.0} us of server CPU each",
            middle.as_secs_f64() * 1e3,
            times.len() as f64 / length.as_secs_f64(),
        );
    }
    Ok(())
}

async fn idle(server: &Server, options: &Options) -> Result<()> {
    let before = server.memory_bytes("VmRSS");
    let mut waiting = Vec::with_capacity(options.idle);
    for _ in 0..options.idle {
        let client = client::connect(server.port).await?;
        client.simple_query("SELECT 1").await?;
        waiting.push(client);
    }
    let each = server.memory_bytes("VmRSS").saturating_sub(before) / options.idle.max(1) as u64;
    println!(
        "{} idle connections: {:.1} KB each",
        options.idle,
        each as f64 / 1e3
    );
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let port = server.port;
    let work = (0..options.active).map(|_| {
        tokio::spawn(async move {
            let client = client::connect(port).await?;
            let mut times = Vec::new();
            select(&client, Way::Simple, &mut times, end).await?;
            Ok::<_, anyhow::Error>(times.len())
        })
    });
    let mut answers = 0;
    for done in try_join_all(work).await? {
        answers += done?;
    }
    for client in &waiting {
        client.simple_query("SELECT 1").await?;
    }
    println!(
        "{} active beside them: {:.0} answers a second, memory peak {} MB",
        options.active,
        answers as f64 / options.seconds as f64,
        server.memory_bytes("VmHWM") >> 20
    );
    Ok(())
}

/// A number below a million out of six digits; PostgreSQL and Blueshift make the same rows of it.
const NUMBERS: &str = "SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n AS n \
    FROM digit a, digit b, digit c, digit d, digit e, digit f";

/// Makes the table of ten columns.
async fn make_wide(client: &Client, rows: u64) -> Result<()> {
    let numbers = (0..10).map(|digit| format!("SELECT {digit} AS n"));
    let numbers = numbers.collect::<Vec<_>>().join(" UNION ALL ");
    let make = [
        "CREATE TABLE wide (a integer, b bigint, c smallint, d double precision, e varchar(20), f date, g timestamp, \
         h boolean, i integer, j varchar(40))"
            .to_owned(),
        format!("CREATE TABLE digit AS {numbers}"),
        format!(
            "INSERT INTO wide SELECT n, n::bigint * 7, (n % 1000)::smallint, n / 4.0, 'text ' || n, \
             '2024-01-01'::date + n % 1000, '2024-01-01'::timestamp + n * interval '1 second', n % 2 = 0, n % 10, \
             'a longer text of ' || n FROM ({NUMBERS}) all_of_them WHERE n < {rows}"
        ),
        "ANALYZE wide".to_owned(),
    ];
    for statement in make {
        client.batch_execute(&statement).await?;
    }
    Ok(())
}

/// Fetches a wide result: by a client that only counts, then by psycopg, beside PostgreSQL if that is installed.
async fn wide(server: &Server, options: &Options, work: &Path) -> Result<()> {
    let client = client::connect(server.port).await?;
    make_wide(&client, options.rows).await?;
    let (begun, cpu) = (Instant::now(), server.cpu_seconds());
    let rows = client
        .query_raw("SELECT * FROM wide", Vec::<i32>::new())
        .await?;
    let mut rows = std::pin::pin!(rows);
    let mut count = 0_u64;
    while rows.try_next().await?.is_some() {
        count += 1;
    }
    println!(
        "{count} rows of 10 columns in binary: {:.0} a second, {:.2} us of server CPU each",
        count as f64 / begun.elapsed().as_secs_f64(),
        (server.cpu_seconds() - cpu) / count.max(1) as f64 * 1e6
    );
    let postgres = Postgres::start(&work.join("postgres"))?;
    let dsn = |port: u16, database: &str| {
        format!("host=127.0.0.1 port={port} user=admin dbname={database} sslmode=disable")
    };
    let mut command = peers::wide(work)?;
    command
        .arg(options.repeats.to_string())
        .arg(format!(
            "blueshift={} options='-c enable_result_cache_for_session=off'",
            dsn(server.port, "dev")
        ))
        .env("PGPASSWORD", PASSWORD);
    match &postgres {
        Some(postgres) => {
            let config = dsn(postgres.port, "postgres");
            let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
            let driver = tokio::spawn(connection);
            make_wide(&client, options.rows).await?;
            drop(client);
            driver.await??;
            command.arg(format!("postgresql={config}"));
        }
        None => println!("PostgreSQL is not installed, so its rate is not measured"),
    }
    ensure!(command.status()?.success(), "psycopg failed");
    Ok(())
}
