//! VACUUM FULL of lineitem, 30 % of whose rows are deleted and 50 % unsorted: alone, then beside a query that runs
//! again and again on the same table.
//!
//! Table bytes are what the table takes on disk before the VACUUM, encoded, as `size` of SVV_TABLE_INFO has it.
//! Beside it stands the text it was loaded from: what a table of other encodings could be compared by.

use crate::report::best;
use crate::server::Server;
use crate::{client, data, tpch};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio_postgres::Client;

/// What the suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// TPC-H scale factor.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Slices of the server.
    #[arg(long, default_value_t = 2)]
    pub slices: u32,
    /// Rounds, each on a table loaded anew; the best is reported.
    #[arg(long, default_value_t = 3)]
    pub repeats: u32,
    /// Only these ways: alone, beside.
    #[arg(long, value_delimiter = ',')]
    pub ways: Vec<String>,
    /// Where generated tables and databases are kept between runs.
    #[arg(long)]
    pub work: Option<PathBuf>,
}

/// Reads and counts everything: its answer tells whether the table still holds the same rows.
const QUERY: &str = "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), \
     sum(l_extendedprice * (1 - l_discount)), avg(l_tax), min(l_shipdate), max(l_receiptdate), min(l_comment), \
     count(*) FROM lineitem GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus";

/// A day of a sorted table: it must read less after the VACUUM.
const DAY: &str =
    "SELECT count(*), sum(l_orderkey) FROM lineitem WHERE l_shipdate = DATE '1995-03-15'";

/// Runs of the query before each VACUUM, by the median of which it is compared.
const RUNS_ALONE: usize = 7;

/// What a query answers.
type Rows = Vec<Vec<Option<String>>>;

/// What one VACUUM took.
struct Round {
    seconds: f64,
    cpu_seconds: f64,
    bytes_before: u64,
    bytes_after: u64,
    query_alone: f64,
    query_beside: Option<f64>,
}

/// Measures each way, and prints.
pub async fn run(options: &Options) -> Result<()> {
    let work = tpch::work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let text_bytes = data::table_bytes(&tables, "lineitem")?;
    for way in ["alone", "beside"] {
        if !options.ways.is_empty() && !options.ways.iter().any(|wanted| wanted == way) {
            continue;
        }
        let mut rounds = Vec::new();
        for _ in 0..options.repeats {
            // Nobody else's vacuum comes between.
            let quiet = [("BLUESHIFT_AUTO_VACUUM", "false")];
            let data = work.join("blueshift-vacuum");
            let server = Server::start_with(&data, options.slices, &tables, &quiet).await?;
            rounds.push(round(&server, &tables, way == "beside").await?);
        }
        print(way, &rounds, text_bytes);
    }
    Ok(())
}

/// Loads, deletes, and measures one VACUUM.
async fn round(server: &Server, tables: &std::path::Path, beside: bool) -> Result<Round> {
    let client = client::connect(server.port).await?;
    load(&client, tables).await?;
    let before = client::rows(&client, QUERY).await?;
    let day = client::rows(&client, DAY).await?;
    let mut alone = Vec::new();
    for _ in 0..RUNS_ALONE {
        alone.push(timed(&client, &before).await?);
    }
    let bytes_before = stored_bytes(&client).await?;
    let done = AtomicBool::new(false);
    let (begun, cpu) = (Instant::now(), server.cpu_seconds());
    let vacuum = async {
        client::rows(&client, "VACUUM FULL lineitem TO 100 PERCENT").await?;
        done.store(true, Ordering::Relaxed);
        anyhow::Ok(begun.elapsed().as_secs_f64())
    };
    let queries = async {
        let other = client::connect(server.port).await?;
        let mut seconds = Vec::new();
        // Only what ran beside the VACUUM from beginning to end.
        while beside && !done.load(Ordering::Relaxed) {
            let took = timed(&other, &before).await?;
            if !done.load(Ordering::Relaxed) {
                seconds.push(took);
            }
        }
        anyhow::Ok(seconds)
    };
    let (seconds, queries) = tokio::try_join!(vacuum, queries)?;
    let cpu_seconds = server.cpu_seconds() - cpu;
    ensure!(
        client::rows(&client, QUERY).await? == before && client::rows(&client, DAY).await? == day,
        "VACUUM changed an answer"
    );
    let figures = figures(&client).await?;
    ensure!(
        figures == (0.0, 0.0),
        "deleted and unsorted after VACUUM: {figures:?}"
    );
    ensure!(
        !beside || !queries.is_empty(),
        "no query ended beside VACUUM; take a greater scale"
    );
    Ok(Round {
        seconds,
        cpu_seconds,
        bytes_before,
        bytes_after: stored_bytes(&client).await?,
        query_alone: median(alone),
        query_beside: beside.then(|| median(queries)),
    })
}

/// Loads one half and sorts it, then the other; deletes three rows of ten.
async fn load(client: &Client, tables: &std::path::Path) -> Result<()> {
    tpch::create_tables(client, Some("lineitem")).await?;
    for file in 1..=8 {
        let copy = format!(
            "COPY lineitem FROM 'file://{}/lineitem.tbl.{file}' DELIMITER '|'",
            tables.display()
        );
        client::rows(client, &copy).await?;
        if file == 4 {
            client::rows(client, "VACUUM FULL lineitem TO 100 PERCENT").await?;
        }
    }
    client::rows(
        client,
        "DELETE FROM lineitem WHERE (l_orderkey + l_linenumber) % 10 < 3",
    )
    .await?;
    let (deleted, unsorted) = figures(client).await?;
    ensure!(
        (29.0..31.0).contains(&deleted) && (45.0..55.0).contains(&unsorted),
        "{deleted:.1} % are deleted and {unsorted:.1} % unsorted"
    );
    Ok(())
}

/// Gives the shares of deleted and of unsorted rows in percent.
async fn figures(client: &Client) -> Result<(f64, f64)> {
    let sql = "SELECT 100.0::float8 * (tbl_rows - estimated_visible_rows) / tbl_rows, unsorted FROM svv_table_info \
         WHERE \"table\" = 'lineitem'";
    let rows = client::rows(client, sql).await?;
    let row = rows.first().context("the table is empty")?;
    let number = |at: usize| -> Result<f64> {
        let cell = row.get(at).context("no such column")?;
        Ok(cell.as_deref().context("no figure")?.parse()?)
    };
    Ok((number(0)?, number(1)?))
}

/// Gives the bytes of the table: files that are gone from it but not yet from the disk do not count.
async fn stored_bytes(client: &Client) -> Result<u64> {
    let sql = "SELECT sum(size) FROM svv_table_info WHERE \"table\" = 'lineitem'";
    let rows = client::rows(client, sql).await?;
    let cell = rows
        .first()
        .and_then(|row| row.first())
        .context("no size")?;
    Ok(cell.as_deref().context("no size")?.parse::<u64>()? << 20)
}

/// Runs the query and gives its seconds.
async fn timed(client: &Client, expected: &Rows) -> Result<f64> {
    let begun = Instant::now();
    let rows = client::rows(client, QUERY).await?;
    ensure!(
        rows == *expected,
        "a query beside VACUUM answered otherwise"
    );
    Ok(begun.elapsed().as_secs_f64())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print(way: &str, rounds: &[Round], text_bytes: u64) {
    for round in rounds {
        let megabytes = round.bytes_before as f64 / 1e6;
        let text = text_bytes as f64 / 1e6;
        println!(
            "{way:<7} {:>6.2} s  {:>4.0} MB/s of {megabytes:.0} MB stored (then {:.0} MB), {:>4.0} MB/s of text, \
             server cpu {:.2} s",
            round.seconds,
            megabytes / round.seconds,
            round.bytes_after as f64 / 1e6,
            text / round.seconds,
            round.cpu_seconds,
        );
        if let Some(beside) = round.query_beside {
            println!(
                "        query {:.3} s alone, {beside:.3} s beside: {:.2} times",
                round.query_alone,
                beside / round.query_alone
            );
        }
    }
    let seconds: Vec<f64> = rounds.iter().map(|round| round.seconds).collect();
    if let Some(fastest) = rounds.iter().find(|round| round.seconds == best(&seconds)) {
        let rate = fastest.bytes_before as f64 / 1e6 / fastest.seconds;
        println!("{way:<7} best {rate:.0} MB/s of table bytes");
    }
}
