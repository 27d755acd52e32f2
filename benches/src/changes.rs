//! DELETE, UPDATE and MERGE of lineitem, one after the other, each measured to the end of its commit; beside DuckDB.
//!
//! Every round begins with a table loaded anew, on both sides. After each change both tables must answer the same.

use crate::answers::difference;
use crate::report::{Figures, best};
use crate::server::Server;
use crate::{Options, client, data, peers, tpch};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// About 100 000 rows that half are rows of lineitem with another quantity and text, and half are new.
const CHANGES: &str = "CREATE TABLE changes AS \
     SELECT l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity + 1 AS l_quantity, l_extendedprice, \
     l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, \
     l_shipmode, 'changed' AS l_comment FROM lineitem WHERE l_orderkey % 120 = 7 \
     UNION ALL \
     SELECT l_orderkey + 100000000, l_partkey, l_suppkey, l_linenumber, l_quantity + 1, l_extendedprice, \
     l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, \
     l_shipmode, 'new' FROM lineitem WHERE l_orderkey % 120 = 7";

/// What is measured, in this order: each finds the table as those before left it.
const STATEMENTS: [(&str, &str); 5] = [
    (
        "delete 1 %",
        "DELETE FROM lineitem WHERE l_orderkey % 100 = 2",
    ),
    (
        "delete 10 %",
        "DELETE FROM lineitem WHERE l_orderkey % 10 = 3",
    ),
    (
        "delete a month",
        "DELETE FROM lineitem WHERE l_shipdate BETWEEN DATE '1995-03-01' AND DATE '1995-03-31'",
    ),
    (
        "update 10 %",
        "UPDATE lineitem SET l_quantity = l_quantity + 1 WHERE l_orderkey % 10 = 5",
    ),
    (
        "merge 100 000",
        "MERGE INTO lineitem USING changes \
         ON lineitem.l_orderkey = changes.l_orderkey AND lineitem.l_linenumber = changes.l_linenumber \
         WHEN MATCHED THEN UPDATE SET l_quantity = changes.l_quantity, l_comment = changes.l_comment \
         WHEN NOT MATCHED THEN INSERT VALUES (changes.l_orderkey, changes.l_partkey, changes.l_suppkey, \
         changes.l_linenumber, changes.l_quantity, changes.l_extendedprice, changes.l_discount, changes.l_tax, \
         changes.l_returnflag, changes.l_linestatus, changes.l_shipdate, changes.l_commitdate, \
         changes.l_receiptdate, changes.l_shipinstruct, changes.l_shipmode, changes.l_comment)",
    ),
];

/// What both must answer after each change. Its time after the last is measured too.
const CHECK: &str = "SELECT count(*), sum(l_orderkey), sum(l_linenumber), sum(l_quantity), sum(l_extendedprice), \
     min(l_shipdate), max(l_comment) FROM lineitem";

/// The name of [`CHECK`] among what is measured.
const SCAN: &str = "then a scan";

type Rows = Vec<Vec<Option<String>>>;

/// What DuckDB reports.
#[derive(Deserialize)]
struct Peer {
    peer: String,
    seconds: BTreeMap<String, Vec<f64>>,
    answers: BTreeMap<String, Rows>,
}

/// What our rounds took.
#[derive(Default)]
struct Ours {
    seconds: BTreeMap<String, Vec<f64>>,
    cpu_seconds: BTreeMap<String, Vec<f64>>,
    answers: BTreeMap<String, Rows>,
}

/// Measures, compares and prints.
pub async fn run(options: &Options) -> Result<()> {
    let work = tpch::work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let mut ours = Ours::default();
    for _ in 0..options.repeats {
        round(options, &work, &tables, &mut ours).await?;
    }
    let peer = match options.peers.iter().any(|peer| peer == "duckdb") {
        true => Some(run_peer(options, &work, &tables)?),
        false => None,
    };
    print(&ours, peer.as_ref());
    let mut seconds = BTreeMap::from([("blueshift".to_owned(), bests(&ours.seconds))]);
    let mut differing = 0;
    if let Some(peer) = &peer {
        for (name, rows) in &ours.answers {
            let theirs = peer.answers.get(name).context("the peer's answers")?;
            if let Some(text) = difference(rows, theirs) {
                println!("after \"{name}\" the tables differ: {text}");
                differing += 1;
            }
        }
        seconds.insert(peer.peer.clone(), bests(&peer.seconds));
    }
    let figures = Figures {
        suite: "changes",
        scale: options.scale,
        slices: options.slices,
        seconds,
        figures: bests(&ours.cpu_seconds),
    };
    tpch::write_json(options, &figures)?;
    if differing > 0 {
        bail!("{differing} answers differ");
    }
    Ok(())
}

/// Loads, and runs every statement once.
async fn round(options: &Options, work: &Path, tables: &Path, ours: &mut Ours) -> Result<()> {
    // Nobody's vacuum comes between.
    let quiet = [
        ("BLUESHIFT_AUTO_VACUUM", "false"),
        ("BLUESHIFT_AUTO_ANALYZE", "false"),
    ];
    let data = work.join("blueshift-changes");
    let server = Server::start_with(&data, options.slices, tables, &quiet).await?;
    let client = client::connect(server.port).await?;
    tpch::create_tables(&client, Some("lineitem")).await?;
    let copy = format!(
        "COPY lineitem FROM 'file://{}/lineitem.tbl.' DELIMITER '|'",
        tables.display()
    );
    client::rows(&client, &copy).await?;
    client::rows(&client, CHANGES).await?;
    for (name, sql) in STATEMENTS.into_iter().chain([(SCAN, CHECK)]) {
        let (begun, cpu) = (Instant::now(), server.cpu_seconds());
        client::rows(&client, sql).await.context(name)?;
        let add = |figures: &mut BTreeMap<String, Vec<f64>>, figure: f64| {
            figures.entry(name.to_owned()).or_default().push(figure);
        };
        add(&mut ours.seconds, begun.elapsed().as_secs_f64());
        add(&mut ours.cpu_seconds, server.cpu_seconds() - cpu);
        let answer = client::rows(&client, CHECK).await?;
        ours.answers.insert(name.to_owned(), answer);
    }
    Ok(())
}

/// Lets DuckDB do the same.
fn run_peer(options: &Options, work: &Path, tables: &Path) -> Result<Peer> {
    let script = serde_json::json!({
        "setup": [CHANGES],
        "statements": STATEMENTS.into_iter().chain([(SCAN, CHECK)]).collect::<Vec<_>>(),
        "check": CHECK,
    });
    std::fs::write(work.join("changes.json"), script.to_string())?;
    println!("running duckdb");
    let mut command = peers::command(work, "duckdb_changes.py")?;
    command.args([tables, work, &peers::tpch_suite()]);
    command.args([options.threads.to_string(), options.repeats.to_string()]);
    ensure!(command.status()?.success(), "duckdb failed");
    let written = std::fs::read_to_string(work.join("duckdb-changes.json"))?;
    Ok(serde_json::from_str(&written)?)
}

fn bests(figures: &BTreeMap<String, Vec<f64>>) -> BTreeMap<String, f64> {
    let best = |(name, figures): (&String, &Vec<f64>)| (name.clone(), best(figures));
    figures.iter().map(best).collect()
}

fn print(ours: &Ours, peer: Option<&Peer>) {
    let name = peer.map_or("", |peer| peer.peer.as_str());
    println!(
        "{:<16} {:>10} {:>11} {name:>14} {:>6}",
        "", "blueshift", "cpu seconds", "ratio"
    );
    for (name, _) in STATEMENTS.into_iter().chain([(SCAN, CHECK)]) {
        let of = |figures: &BTreeMap<String, Vec<f64>>| {
            figures.get(name).map_or(f64::NAN, |all| best(all))
        };
        let (seconds, cpu) = (of(&ours.seconds), of(&ours.cpu_seconds));
        let theirs = peer.map_or(f64::NAN, |peer| of(&peer.seconds));
        println!(
            "{name:<16} {seconds:>10.3} {cpu:>11.2} {theirs:>14.3} {:>6.2}",
            seconds / theirs
        );
    }
}
