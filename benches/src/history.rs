//! What remembering statements costs: CPU time of a server that keeps history and of one that does not, which get the
//! same statements in turn.

use crate::client;
use crate::server::Server;
use anyhow::{Context, Result};
use std::path::PathBuf;
use tokio_postgres::Client;

/// What the suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Blocks of each kind for each server; the median of the ratios is reported.
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// CPU seconds of a block, about.
    #[arg(long, default_value_t = 1.5)]
    pub seconds: f64,
    /// Slices of each server.
    #[arg(long, default_value_t = 2)]
    pub slices: u32,
    /// Where the servers' data directories are made.
    #[arg(long)]
    pub work: Option<PathBuf>,
}

/// Kinds of statements. `{n}` is another number each time.
const KINDS: [(&str, &str); 6] = [
    ("constant", "SELECT {n}"),
    ("one row", "SELECT v FROM small WHERE k = {n}"),
    (
        "join and groups of 1 000 rows",
        "SELECT s.v, count(*) FROM small s JOIN small t ON s.k = t.v WHERE s.k > {n} GROUP BY 1",
    ),
    ("insert of one row", "INSERT INTO sink VALUES ({n})"),
    (
        "groups of 4 000 000 rows",
        "SELECT v, count(*), sum(k) FROM large WHERE k > {n} GROUP BY v",
    ),
    (
        "join of 4 000 000 rows",
        "SELECT count(*) FROM large l JOIN small s ON l.v = s.k WHERE l.k > {n}",
    ),
];

const TABLES: &str = "CREATE TABLE digit (d INTEGER); \
    INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9); \
    CREATE TABLE small (k INTEGER, v INTEGER) DISTSTYLE EVEN; \
    INSERT INTO small SELECT a.d * 100 + b.d * 10 + c.d, (a.d + b.d * c.d) * 7 FROM digit a, digit b, digit c; \
    CREATE TABLE large (k BIGINT, v INTEGER) DISTSTYLE EVEN; \
    INSERT INTO large SELECT a.k * 1000 + b.k, a.v FROM small a, small b; \
    INSERT INTO large SELECT k + 1, v FROM large; \
    INSERT INTO large SELECT k + 1, v FROM large; \
    CREATE TABLE sink (k INTEGER) DISTSTYLE EVEN; \
    ANALYZE";

/// A server with a connection.
struct Side {
    server: Server,
    client: Client,
}

impl Side {
    async fn start(options: &Options, work: &std::path::Path, days: &str) -> Result<Self> {
        let data = work.join(format!("days-{days}"));
        let settings = [
            ("BLUESHIFT_HISTORY_DAYS", days),
            ("BLUESHIFT_AUTO_VACUUM", "false"),
            ("BLUESHIFT_AUTO_ANALYZE", "false"),
        ];
        let server = Server::start_with(&data, options.slices, work, &settings).await?;
        let client = client::connect(server.port).await?;
        client.batch_execute(TABLES).await?;
        Ok(Self { server, client })
    }

    /// Runs `count` statements; gives the CPU seconds of each.
    async fn block(&self, text: &str, count: usize) -> Result<f64> {
        let cpu = self.server.cpu_seconds();
        for number in 0..count {
            let text = text.replace("{n}", &(number % 900).to_string());
            self.client.simple_query(&text).await?;
        }
        // What is written once a second belongs to it.
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        Ok((self.server.cpu_seconds() - cpu) / count.max(1) as f64)
    }
}

/// Runs all kinds.
pub async fn run(options: &Options) -> Result<()> {
    let work = match &options.work {
        Some(work) => work.clone(),
        None => std::env::temp_dir().join("blueshift-history"),
    };
    std::fs::create_dir_all(&work)?;
    let with = Side::start(options, &work, "7").await?;
    let without = Side::start(options, &work, "0").await?;
    for (name, text) in KINDS {
        // The first block warms up, and tells how many statements fill one.
        let each = with
            .block(text, 20)
            .await?
            .max(without.block(text, 20).await?);
        let count = ((options.seconds / each.max(1e-5)) as usize).clamp(5, 20_000);
        let (mut ratios, mut times) = (Vec::new(), (Vec::new(), Vec::new()));
        for round in 0..options.rounds {
            // Neither is always the first.
            let (kept, unkept) = match round % 2 {
                0 => {
                    let kept = with.block(text, count).await?;
                    (kept, without.block(text, count).await?)
                }
                _ => {
                    let unkept = without.block(text, count).await?;
                    (with.block(text, count).await?, unkept)
                }
            };
            ratios.push(kept / unkept);
            times.0.push(kept);
            times.1.push(unkept);
        }
        println!(
            "{name}: {:.3} ms with history, {:.3} ms without, {:+.1} % ({} statements a block)",
            median(times.0)? * 1e3,
            median(times.1)? * 1e3,
            (median(ratios)? - 1.0) * 100.0,
            count
        );
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("no rounds")
}
