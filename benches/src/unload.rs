//! UNLOAD of lineitem to local files, each way measured to its end. MB are of the text that UNLOAD writes, whatever the
//! format.

use crate::report::{Figures, best};
use crate::server::Server;
use crate::{Options, client, data, tpch};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::Instant;

/// What is measured, by the options of UNLOAD.
const WAYS: [(&str, &str); 8] = [
    ("text", ""),
    ("text escape", "ESCAPE"),
    ("csv", "CSV"),
    ("json", "JSON"),
    ("parquet", "PARQUET"),
    ("gzip", "GZIP"),
    ("zstd", "ZSTD"),
    ("serial text", "PARALLEL OFF"),
];

/// Measures and prints.
pub async fn run(options: &Options) -> Result<()> {
    let work = tpch::work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let unloaded = work.join("unloaded");
    if unloaded.exists() {
        std::fs::remove_dir_all(&unloaded)?;
    }
    std::fs::create_dir_all(&unloaded)?;
    let root = unloaded.display().to_string();
    let environment = [("BLUESHIFT_UNLOAD_ROOT", root.as_str())];
    let store = work.join("blueshift-unload");
    let server = Server::start_with(&store, options.slices, &tables, &environment).await?;
    let client = client::connect(server.port).await?;
    tpch::create_tables(&client, Some("lineitem")).await?;
    let copy = format!(
        "COPY lineitem FROM 'file://{}/lineitem.tbl.' DELIMITER '|'",
        tables.display()
    );
    client::rows(&client, &copy).await?;
    let (mut seconds, mut cpu_seconds) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..options.repeats {
        for (name, ways) in WAYS {
            let unload = format!(
                "UNLOAD ('SELECT * FROM lineitem') TO 'file://{root}/{}/' {ways} CLEANPATH",
                name.replace(' ', "_")
            );
            let (begun, cpu) = (Instant::now(), server.cpu_seconds());
            client::rows(&client, &unload).await.context(name)?;
            let add = |figures: &mut BTreeMap<String, Vec<f64>>, figure: f64| {
                figures.entry(name.to_owned()).or_default().push(figure);
            };
            add(&mut seconds, begun.elapsed().as_secs_f64());
            add(&mut cpu_seconds, server.cpu_seconds() - cpu);
        }
    }
    let mut text_bytes = 0;
    for entry in std::fs::read_dir(unloaded.join("text"))? {
        text_bytes += entry?.metadata()?.len();
    }
    ensure!(text_bytes > 0, "no text was unloaded");
    let megabytes = text_bytes as f64 / 1e6;
    println!(
        "{megabytes:.0} MB of text, peak memory {} MB",
        server.memory_bytes("VmHWM") >> 20
    );
    println!(
        "{:<14} {:>8} {:>12} {:>8}",
        "", "seconds", "cpu seconds", "MB/s"
    );
    let bests = |figures: &BTreeMap<String, Vec<f64>>| -> BTreeMap<String, f64> {
        figures
            .iter()
            .map(|(name, all)| (name.clone(), best(all)))
            .collect()
    };
    let (seconds, cpu_seconds) = (bests(&seconds), bests(&cpu_seconds));
    for (name, _) in WAYS {
        let of = |figures: &BTreeMap<String, f64>| figures.get(name).copied().unwrap_or(f64::NAN);
        let (took, cpu) = (of(&seconds), of(&cpu_seconds));
        println!(
            "{name:<14} {took:>8.2} {cpu:>12.2} {:>8.0}",
            megabytes / took
        );
    }
    let figures = Figures {
        suite: "unload",
        scale: options.scale,
        slices: options.slices,
        seconds: BTreeMap::from([("blueshift".to_owned(), seconds)]),
        figures: cpu_seconds,
    };
    tpch::write_json(options, &figures)
}
