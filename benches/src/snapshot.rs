//! Snapshots of a loaded warehouse: how long one takes, what the next one uploads, how long the way back is.

use crate::server::{self, Server};
use crate::{client, data, peers};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tokio_postgres::Client;

/// What the suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// TPC-H scale factor; 4 is about 1 GB in row groups.
    #[arg(long, default_value_t = 4.0)]
    pub scale: f64,
    /// Slices of the server.
    #[arg(long, default_value_t = 2)]
    pub slices: u32,
    /// Where tables, data and snapshots are made.
    #[arg(long)]
    pub work: Option<PathBuf>,
}

/// About one row in a hundred, all over the table.
const CHANGE: &str = "UPDATE lineitem SET l_quantity = l_quantity + 1 WHERE l_orderkey % 100 = 7";

/// Every column of the large tables has a part in it.
const CHECKSUM: &str = "SELECT count(*), sum(l_orderkey), sum(l_partkey), sum(l_suppkey), \
     sum(l_quantity), sum(l_extendedprice), sum(l_discount), sum(l_tax), \
     sum(strtol(substring(md5(l_comment || l_shipmode || l_returnflag), 1, 8), 16)), \
     min(l_shipdate), max(l_receiptdate), (SELECT sum(o_totalprice) FROM orders), \
     (SELECT sum(ps_supplycost) FROM partsupp), (SELECT sum(c_acctbal) FROM customer) FROM lineitem";

/// Loads, takes two snapshots with a change between, restarts after a kill, restores, and compares.
pub async fn run(options: &Options) -> Result<()> {
    let work = match &options.work {
        Some(work) => work.clone(),
        None => std::env::temp_dir().join("blueshift-snapshots"),
    };
    std::fs::create_dir_all(&work)?;
    let work = work.canonicalize()?;
    let tables = work.join(format!("tables-{}", options.scale));
    data::ensure(&tables, options.scale)?;
    let (data, backups, restored) = (work.join("data"), work.join("backups"), work.join("new"));
    for old in [&backups, &restored] {
        if old.exists() {
            std::fs::remove_dir_all(old)?;
        }
    }
    let server = Server::start(&data, options.slices, &work).await?;
    let connected = client::connect(server.port).await?;
    load(&connected, &tables).await?;
    let stored = server.stored_bytes()?;
    println!(
        "{:<34} {:>10.2} GB",
        "row groups on disk",
        gigabytes(stored)
    );

    let first = take(&connected, &backups, "first").await?;
    report("first snapshot", first.seconds, first.bytes);
    client::rows(&connected, CHANGE).await?;
    let second = take(&connected, &backups, "second").await?;
    report(
        "second, after a change of 1 %",
        second.seconds,
        second.bytes,
    );
    let share = 100.0 * second.uploaded as f64 / second.bytes as f64;
    println!("{:<34} {share:>10.2} %", "uploaded for the second");
    let expected = client::rows(&connected, CHECKSUM).await?;

    drop(server);
    let begun = Instant::now();
    let server = Server::start_again(&data, options.slices, &work).await?;
    report("ready after a kill", begun.elapsed().as_secs_f64(), stored);
    drop(server);

    let begun = Instant::now();
    let arguments: [&Path; 6] = [
        Path::new("--from"),
        &backups,
        Path::new("--snapshot"),
        Path::new("second"),
        Path::new("--data"),
        &restored,
    ];
    let status = Command::new(server::binary()?)
        .arg("restore")
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .status()?;
    ensure!(status.success(), "the restore failed");
    report("restore", begun.elapsed().as_secs_f64(), second.bytes);
    let server = Server::start_again(&restored, options.slices, &work).await?;
    let connected = client::connect(server.port).await?;
    let found = client::rows(&connected, CHECKSUM).await?;
    ensure!(found == expected, "restored {found:?}, was {expected:?}");
    println!("the checksum of what was restored is equal");
    Ok(())
}

async fn load(client: &Client, tables: &Path) -> Result<()> {
    let path = peers::tpch_suite().join("schema.sql");
    let schema = std::fs::read_to_string(&path)
        .with_context(|| format!("could not read {}", path.display()))?;
    client::rows(client, &schema).await?;
    for table in data::TABLES {
        let tables = tables.display();
        let copy = format!("COPY {table} FROM 'file://{tables}/{table}.tbl.' DELIMITER '|'");
        client::rows(client, &copy).await?;
    }
    Ok(())
}

/// A snapshot that was taken.
struct Taken {
    seconds: f64,
    bytes: u64,
    uploaded: u64,
}

async fn take(client: &Client, backups: &Path, name: &str) -> Result<Taken> {
    let begun = Instant::now();
    let sql = format!("CREATE SNAPSHOT {name} TO '{}'", backups.display());
    client::rows(client, &sql).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let sql =
        format!("SELECT bytes, uploaded_bytes FROM blueshift_snapshots WHERE snapshot = '{name}'");
    let rows = client::rows(client, &sql).await?;
    let figure = |column: usize| -> Result<u64> {
        let cell = rows.first().and_then(|row| row.get(column)?.as_deref());
        Ok(cell.context("no such snapshot")?.parse()?)
    };
    Ok(Taken {
        seconds,
        bytes: figure(0)?,
        uploaded: figure(1)?,
    })
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

fn report(what: &str, seconds: f64, bytes: u64) {
    let each = seconds / gigabytes(bytes);
    println!("{what:<34} {seconds:>10.2} s {each:>10.2} s a GB");
}
