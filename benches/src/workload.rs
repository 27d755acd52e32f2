//! A shared warehouse: reports that take long and dashboards that must not wait for them, with the queues and without.

use crate::server::Server;
use crate::{client, data, tpch};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What the suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Scale of the TPC-H tables.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Connections that run the 22 queries of TPC-H again and again.
    #[arg(long, default_value_t = 4)]
    pub long: usize,
    /// Connections that run short queries.
    #[arg(long, default_value_t = 28)]
    pub short: usize,
    /// Milliseconds between an answer and the next short query of a connection, on average.
    #[arg(long, default_value_t = 100)]
    pub think_ms: u64,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Slices of the server.
    #[arg(long, default_value_t = 2)]
    pub slices: u32,
    /// Where tables are made.
    #[arg(long)]
    pub work: Option<PathBuf>,
}

/// Everybody runs at once.
const WITHOUT_QUEUES: &str = r#"[{"query_concurrency":50},{"short_query_queue":false}]"#;

/// What ran in a measurement.
struct Measured {
    /// Long queries a second.
    long_rate: f64,
    /// How long short queries took, in order.
    short: Vec<Duration>,
    /// Processor seconds of the server a second.
    cpu: f64,
    seconds: f64,
}

impl Measured {
    fn short_ms(&self, part: f64) -> f64 {
        let index = (self.short.len() as f64 * part) as usize;
        let time = self
            .short
            .get(index.min(self.short.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

/// Runs the long ones alone, the short ones alone, and both together with and without queues.
pub async fn run(options: &Options) -> Result<()> {
    let work = tpch::work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let server = Server::start(&work.join("blueshift-workload"), options.slices, &tables).await?;
    let admin = client::connect(server.port).await?;
    tpch::create_tables(&admin, None).await?;
    for table in data::TABLES {
        tpch::copy_table(&admin, &tables, table).await?;
    }
    // Once alone, so that all is warm and the queues have seen how long each takes.
    measure(&server, options, 1, 1).await?;
    let long = measure(&server, options, options.long, 0).await?;
    println!(
        "{} long alone: {:.2} queries a second, {:.2} cores",
        options.long, long.long_rate, long.cpu
    );
    let short = measure(&server, options, 0, options.short).await?;
    let cost = short.cpu * short.seconds / short.short.len().max(1) as f64;
    println!(
        "{} short alone: {}, {:.2} cores, {:.2} ms of them each",
        options.short,
        shown(&short),
        short.cpu,
        cost * 1e3
    );
    both(&server, options, "with queues", &long, cost).await?;
    client::rows(
        &admin,
        &format!("ALTER SYSTEM SET wlm_json_configuration = '{WITHOUT_QUEUES}'"),
    )
    .await?;
    both(&server, options, "without", &long, cost).await
}

async fn both(
    server: &Server,
    options: &Options,
    name: &str,
    alone: &Measured,
    cost: f64,
) -> Result<()> {
    let both = measure(server, options, options.long, options.short).await?;
    // What the short ones took of the processors is not the long ones' to lose.
    let taken = both.short.len() as f64 / both.seconds * cost / alone.cpu.max(0.01);
    let expected = alone.long_rate * (1.0 - taken);
    println!(
        "together {name}: short {}; long {:.2} a second, {:.2} of what their share of the processors gives",
        shown(&both),
        both.long_rate,
        both.long_rate / expected.max(0.001)
    );
    Ok(())
}

fn shown(measured: &Measured) -> String {
    format!(
        "{:.0} a second, p50 {:.1} ms, p95 {:.1}, p99 {:.1}",
        measured.short.len() as f64 / measured.seconds,
        measured.short_ms(0.5),
        measured.short_ms(0.95),
        measured.short_ms(0.99)
    )
}

async fn measure(
    server: &Server,
    options: &Options,
    long: usize,
    short: usize,
) -> Result<Measured> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(options.seconds);
    let cpu = server.cpu_seconds();
    let (mut reports, mut dashboards) = (JoinSet::new(), JoinSet::new());
    for number in 0..long {
        reports.spawn(report(server.port, number, end));
    }
    for number in 0..short {
        let keys = (options.scale * 150_000.0) as u64;
        let think = Duration::from_millis(options.think_ms);
        dashboards.spawn(dashboard(server.port, number as u64, keys, think, end));
    }
    let (mut work, mut times) = (0.0, Vec::new());
    while let Some(done) = dashboards.join_next().await {
        times.extend(done??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    while let Some(done) = reports.join_next().await {
        work += done??;
    }
    times.sort();
    Ok(Measured {
        long_rate: work,
        short: times,
        cpu: (server.cpu_seconds() - cpu) / begun.elapsed().as_secs_f64(),
        seconds,
    })
}

/// Runs the 22 queries from another one on each connection; gives how many a second.
async fn report(port: u16, number: usize, end: Instant) -> Result<f64> {
    let client = client::connect(port).await?;
    let (begun, mut count) = (Instant::now(), 0.0);
    for query in (0..22).cycle().skip(number * 5) {
        if Instant::now() >= end {
            break;
        }
        let text = tpch::suite_file(&format!("q{:02}.sql", query + 1))?;
        client::rows(&client, &text)
            .await
            .with_context(|| format!("q{}", query + 1))?;
        count += 1.0;
    }
    Ok(count / begun.elapsed().as_secs_f64())
}

/// Asks for one thing after the other by key, and gives how long each took.
async fn dashboard(
    port: u16,
    number: u64,
    keys: u64,
    think: Duration,
    end: Instant,
) -> Result<Vec<Duration>> {
    let client = client::connect(port).await?;
    let mut times = Vec::new();
    while Instant::now() < end {
        // Another key each time, all over the table; each is a sort key.
        let chosen = number * 7_919 + times.len() as u64 * 104_729;
        let (key, day) = (chosen % keys + 1, chosen % 2_400);
        let text = match times.len() % 3 {
            0 => format!("SELECT c_name, c_acctbal FROM customer WHERE c_custkey = {key}"),
            1 => format!(
                "SELECT o_orderstatus, count(*), sum(o_totalprice) FROM orders \
                 WHERE o_orderdate = DATE '1992-01-01' + {day} GROUP BY o_orderstatus ORDER BY 1"
            ),
            _ => format!(
                "SELECT l_shipmode, count(*), sum(l_extendedprice) FROM lineitem \
                 WHERE l_shipdate = DATE '1992-01-02' + {day} GROUP BY l_shipmode ORDER BY 1"
            ),
        };
        let begun = Instant::now();
        client::rows(&client, &text).await?;
        times.push(begun.elapsed());
        // Half of it to one and a half: people do not ask in step.
        tokio::time::sleep(think / 2 + think * (chosen % 101) as u32 / 100).await;
    }
    Ok(times)
}
