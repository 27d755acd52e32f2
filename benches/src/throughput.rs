//! How many queries a second many connections get out of one server, a kind at a time; beside DuckDB in its own process.

use crate::server::Server;
use crate::{Options, client, data, peers, tpch};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Connections at work.
const CLIENTS: u64 = 32;

/// Seconds of each kind.
const SECONDS: u64 = 10;

/// Of a key and of a day, others each time.
const LOOKUP: &str = "SELECT c_name, c_acctbal FROM customer WHERE c_custkey = {key}";
const DAY: &str =
    "SELECT count(*), sum(l_extendedprice) FROM lineitem WHERE l_shipdate = DATE '{day}'";

/// What the peer is told.
#[derive(Serialize)]
struct Script {
    clients: u64,
    seconds: u64,
    keys: u64,
    kinds: BTreeMap<&'static str, Vec<String>>,
}

/// What it reports.
#[derive(Deserialize)]
struct Peer {
    peer: String,
    rates: BTreeMap<String, f64>,
}

/// Runs each kind on both and prints how many were answered a second.
pub async fn run(options: &Options) -> Result<()> {
    let work = tpch::work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let script = Script {
        clients: CLIENTS,
        seconds: SECONDS,
        keys: (options.scale * 150_000.0) as u64,
        kinds: BTreeMap::from([
            ("lookups by sort key", vec![LOOKUP.to_owned()]),
            ("days of a sort key", vec![DAY.to_owned()]),
            ("TPC-H, mixed", tpch_texts()?),
        ]),
    };
    let peer = match options.peers.iter().any(|peer| peer == "duckdb") {
        true => Some(duckdb(options, &tables, &work, &script)?),
        false => None,
    };
    let server = Server::start(&work.join("blueshift-workload"), options.slices, &tables).await?;
    let admin = client::connect(server.port).await?;
    tpch::create_tables(&admin, None).await?;
    for table in data::TABLES {
        tpch::copy_table(&admin, &tables, table).await?;
    }
    for (kind, texts) in &script.kinds {
        let cpu = server.cpu_seconds();
        let rate = measure(server.port, texts, script.keys).await?;
        let cost = (server.cpu_seconds() - cpu) / (rate * SECONDS as f64);
        let beside = peer.as_ref().and_then(|peer| {
            let theirs = peer.rates.get(*kind)?;
            Some(format!(
                ", {} {theirs:.1}: {:.2} times",
                peer.peer,
                rate / theirs
            ))
        });
        println!(
            "{kind}, {CLIENTS} connections: {rate:.1} a second, {:.2} ms of server CPU each{}",
            cost * 1e3,
            beside.unwrap_or_default()
        );
    }
    Ok(())
}

fn tpch_texts() -> Result<Vec<String>> {
    let numbers = 1..=22;
    numbers
        .map(|number| tpch::suite_file(&format!("q{number:02}.sql")))
        .collect()
}

async fn measure(port: u16, texts: &[String], keys: u64) -> Result<f64> {
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        let client = client::connect(port).await?;
        client::rows(&client, "SET enable_result_cache_for_session TO off").await?;
        connections.push(client);
    }
    let begun = Instant::now();
    let end = begun + Duration::from_secs(SECONDS);
    let mut running = JoinSet::new();
    for (number, client) in connections.into_iter().enumerate() {
        let texts = texts.to_vec();
        running.spawn(async move {
            let mut count = 0_u64;
            for (turn, text) in texts
                .iter()
                .cycle()
                .skip(number * 5 % texts.len())
                .enumerate()
            {
                if Instant::now() >= end {
                    break;
                }
                let chosen = number as u64 * 7_919 + turn as u64 * 104_729;
                client::rows(&client, &filled(text, chosen, keys)).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(done) = running.join_next().await {
        count += done??;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// Puts a key and a day of lineitem in; DuckDB's script chooses alike.
fn filled(text: &str, chosen: u64, keys: u64) -> String {
    let (year, month, day) = (1992 + chosen % 7, chosen / 7 % 12 + 1, chosen / 84 % 28 + 1);
    text.replace("{key}", &(chosen % keys + 1).to_string())
        .replace("{day}", &format!("{year}-{month:02}-{day:02}"))
}

fn duckdb(options: &Options, tables: &Path, work: &Path, script: &Script) -> Result<Peer> {
    std::fs::write(work.join("throughput.json"), serde_json::to_string(script)?)?;
    let status = peers::command(work, "duckdb_throughput.py")?
        .arg(tables)
        .arg(work)
        .arg(peers::tpch_suite())
        .arg(options.threads.to_string())
        .status()?;
    ensure!(status.success(), "DuckDB's side failed");
    let path = work.join("duckdb-throughput.json");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}
