//! Benchmarks of Blueshift over the wire, side by side with its peers in one run.

mod answers;
mod changes;
mod client;
mod connections;
mod data;
mod external;
mod formats;
mod history;
mod inserts;
mod peers;
mod postgres;
mod report;
mod server;
mod small_files;
mod snapshot;
mod throughput;
mod tpcds;
mod tpch;
mod unload;
mod vacuum;
mod workload;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures Blueshift beside its peers on the same data, in turn, in the same run.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// The 22 TPC-H queries.
    Tpch(Options),
    /// The 99 TPC-DS queries, answers compared with DuckDB's.
    Tpcds(Options),
    /// The 22 TPC-H queries over Parquet files in place, beside DuckDB over the same files.
    External(Options),
    /// COPY of lineitem from text, against the peers' loads.
    Load(Options),
    /// COPY of lineitem from files of each format.
    Formats(Options),
    /// Small inserts over many connections.
    Inserts(inserts::Options),
    /// Idle and active connections, `SELECT 1`, and a wide result in binary.
    Connections(connections::Options),
    /// What remembering statements costs.
    History(history::Options),
    /// DELETE, UPDATE and MERGE of lineitem.
    Changes(Options),
    /// UNLOAD of lineitem to local files of each format.
    Unload(Options),
    /// COPY of 10 000 small files from the local disk and from S3 on loopback.
    SmallFiles(Options),
    /// VACUUM FULL of lineitem, alone and beside a query.
    Vacuum(vacuum::Options),
    /// Reports and dashboards beside each other, with queues and without.
    Workload(workload::Options),
    /// Queries a second of 32 connections: lookups, days, mixed TPC-H.
    Throughput(Options),
    /// Snapshots and restores of loaded tables.
    Snapshot(snapshot::Options),
}

/// What every suite takes.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Scale factor of TPC-H or TPC-DS; 1 is about 1 GB of text.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Peers to run beside: duckdb, datafusion.
    #[arg(long, value_delimiter = ',')]
    pub peers: Vec<String>,
    /// Slices of the Blueshift server.
    #[arg(long, default_value_t = 2)]
    pub slices: u32,
    /// Threads of each peer.
    #[arg(long, default_value_t = 2)]
    pub threads: u32,
    /// Runs of each query; the best is reported.
    #[arg(long, default_value_t = 3)]
    pub repeats: u32,
    /// Where generated tables and databases are kept between runs.
    #[arg(long)]
    pub work: Option<PathBuf>,
    /// Where to write the figures as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Only these queries, for example 1,6,18.
    #[arg(long, value_delimiter = ',')]
    pub queries: Vec<u32>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match arguments.suite {
            Suite::Tpch(options) => tpch::queries(&options).await,
            Suite::Tpcds(options) => tpcds::queries(&options).await,
            Suite::External(options) => external::queries(&options).await,
            Suite::Load(options) => tpch::load(&options).await,
            Suite::Formats(options) => formats::run(&options).await,
            Suite::Workload(options) => workload::run(&options).await,
            Suite::Throughput(options) => throughput::run(&options).await,
            Suite::Connections(options) => connections::run(&options).await,
            Suite::History(options) => history::run(&options).await,
            Suite::Inserts(options) => inserts::run(&options).await,
            Suite::Changes(options) => changes::run(&options).await,
            Suite::Unload(options) => unload::run(&options).await,
            Suite::SmallFiles(options) => small_files::run(&options).await,
            Suite::Vacuum(options) => vacuum::run(&options).await,
            Suite::Snapshot(options) => snapshot::run(&options).await,
        }
    })
}
