//! What remembering statements costs: time to the answer, and CPU time, of a server that keeps history and of one that
//! does not. They are asked in turn, statement by statement, now the one first and now the other: machines waver by a tenth
//! from second to second.

use crate::client;
use crate::server::Server;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// What the suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Blocks of each kind; the median of the ratios is reported.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// CPU seconds of a block on each server, about.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Has both servers keep history: what is reported then is noise.
    #[arg(long)]
    pub null: bool,
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

    /// Runs a statement; gives the seconds until its answer was there.
    async fn run(&self, text: &str) -> Result<f64> {
        let begun = Instant::now();
        self.client.simple_query(text).await?;
        Ok(begun.elapsed().as_secs_f64())
    }
}

/// What a block of statements took on both servers, each: to the answer in the median, and CPU time.
struct Block {
    times: [f64; 2],
    cpu: [f64; 2],
}

/// Runs `count` statements on both servers, in turn.
async fn block(sides: &[Side; 2], text: &str, count: usize) -> Result<Block> {
    let before = sides.each_ref().map(|side| side.server.cpu_seconds());
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..count {
        let text = text.replace("{n}", &(number % 900).to_string());
        // Neither is always the first, nor every other time.
        let first = (number.wrapping_mul(0x9E37_79B9) >> 7) & 1;
        for place in [first, 1 - first] {
            if let (Some(side), Some(times)) = (sides.get(place), times.get_mut(place)) {
                times.push(side.run(&text).await?);
            }
        }
    }
    // What is written once a second belongs to it.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let after = sides.each_ref().map(|side| side.server.cpu_seconds());
    let [kept, unkept] = times;
    let cpu = |place: usize| (after[place] - before[place]) / count.max(1) as f64;
    Ok(Block {
        times: [median(kept)?, median(unkept)?],
        cpu: [cpu(0), cpu(1)],
    })
}

/// Runs all kinds.
pub async fn run(options: &Options) -> Result<()> {
    let work = match &options.work {
        Some(work) => work.clone(),
        None => std::env::temp_dir().join("blueshift-history"),
    };
    std::fs::create_dir_all(&work)?;
    let other = if options.null { "8" } else { "0" };
    let sides = [
        Side::start(options, &work, "7").await?,
        Side::start(options, &work, other).await?,
    ];
    for (name, text) in KINDS {
        // The first block warms up, and tells how many statements fill one.
        let first = block(&sides, text, 20).await?;
        let each = first.times[0].max(first.times[1]).max(1e-5);
        let count = ((options.seconds / each) as usize).clamp(5, 20_000);
        let mut blocks = Vec::new();
        for _ in 0..options.rounds {
            blocks.push(block(&sides, text, count).await?);
        }
        let of = |pick: &dyn Fn(&Block) -> f64| median(blocks.iter().map(pick).collect());
        println!(
            "{name}: {:.3} ms with history, {:.3} ms without, {:+.1} %; CPU {:.3} ms and {:.3} ms, {:+.1} % ({count} \
             statements a block)",
            of(&|block| block.times[0])? * 1e3,
            of(&|block| block.times[1])? * 1e3,
            (of(&|block| block.times[0] / block.times[1])? - 1.0) * 100.0,
            of(&|block| block.cpu[0])? * 1e3,
            of(&|block| block.cpu[1])? * 1e3,
            (of(&|block| block.cpu[0] / block.cpu[1])? - 1.0) * 100.0,
        );
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("no rounds")
}
