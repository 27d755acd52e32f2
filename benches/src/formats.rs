//! COPY of lineitem from local files of each format into an empty table. MB are of the `|`-separated text, whatever the
//! format.

use crate::report::{Figures, best};
use crate::server::Server;
use crate::{Options, client, data, tpch};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio_postgres::Client;

/// What is loaded, and the options of COPY for it.
const WAYS: [(&str, &str); 7] = [
    ("eight files", "DELIMITER '|'"),
    ("one file", "DELIMITER '|'"),
    ("gzip", "DELIMITER '|' GZIP"),
    ("zstd", "DELIMITER '|' ZSTD"),
    ("csv, quoted", "CSV"),
    ("json", "FORMAT JSON 'auto'"),
    ("parquet", "FORMAT PARQUET"),
];

/// The text columns of lineitem.
const TEXTS: [usize; 5] = [8, 9, 13, 14, 15];

/// Measures and prints.
pub async fn run(options: &Options) -> Result<()> {
    let work = tpch::work_directory(options.work.as_ref(), options.scale)?;
    let tables = work.join("tables");
    data::ensure(&tables, options.scale)?;
    let text_bytes = data::table_bytes(&tables, "lineitem")?;
    let root = work.display().to_string();
    let environment = [("BLUESHIFT_UNLOAD_ROOT", root.as_str())];
    let store = work.join("blueshift-formats");
    let server = Server::start_with(&store, options.slices, &work, &environment).await?;
    let client = client::connect(server.port).await?;
    let files = work.join("formats");
    if !files.join("complete").exists() {
        println!("making lineitem in each format in {}", files.display());
        make(&client, &tables, &files).await?;
    }
    let (mut seconds, mut cpu_seconds) = (BTreeMap::new(), BTreeMap::new());
    let mut rows = 0;
    for _ in 0..options.repeats {
        for (name, ways) in WAYS {
            tpch::create_tables(&client, Some("lineitem")).await?;
            let from = match name {
                "eight files" => tables.join("lineitem.tbl."),
                _ => files.join(folder(name)).join(""),
            };
            let copy = format!("COPY lineitem FROM 'file://{}' {ways}", from.display());
            let (begun, cpu) = (Instant::now(), server.cpu_seconds());
            client::rows(&client, &copy).await.context(name)?;
            let add = |figures: &mut BTreeMap<String, Vec<f64>>, figure: f64| {
                figures.entry(name.to_owned()).or_default().push(figure);
            };
            add(&mut seconds, begun.elapsed().as_secs_f64());
            add(&mut cpu_seconds, server.cpu_seconds() - cpu);
            let counted = client::rows(&client, "SELECT count(*) FROM lineitem").await?;
            let counted = counted
                .first()
                .and_then(|row| row.first().cloned().flatten());
            let loaded: u64 = counted.context("no count")?.parse()?;
            anyhow::ensure!(
                rows == 0 || rows == loaded,
                "{name}: {loaded} rows, not {rows}"
            );
            rows = loaded;
            client.batch_execute("DROP TABLE lineitem").await?;
        }
    }
    let megabytes = text_bytes as f64 / 1e6;
    println!(
        "{megabytes:.0} MB of text, {rows} rows, peak memory {} MB",
        server.memory_bytes("VmHWM") >> 20
    );
    println!(
        "{:<14} {:>8} {:>12} {:>8} {:>12}",
        "", "seconds", "cpu seconds", "MB/s", "rows/s"
    );
    let bests = |figures: &BTreeMap<String, Vec<f64>>| -> BTreeMap<String, f64> {
        let all = figures.iter();
        all.map(|(name, all)| (name.clone(), best(all))).collect()
    };
    let (seconds, cpu_seconds) = (bests(&seconds), bests(&cpu_seconds));
    for (name, _) in WAYS {
        let of = |figures: &BTreeMap<String, f64>| figures.get(name).copied().unwrap_or(f64::NAN);
        let (took, cpu) = (of(&seconds), of(&cpu_seconds));
        println!(
            "{name:<14} {took:>8.2} {cpu:>12.2} {:>8.0} {:>12.0}",
            megabytes / took,
            rows as f64 / took
        );
    }
    let figures = Figures {
        suite: "formats",
        scale: options.scale,
        slices: options.slices,
        seconds: BTreeMap::from([("blueshift".to_owned(), seconds)]),
        figures: cpu_seconds,
    };
    tpch::write_json(options, &figures)
}

fn folder(name: &str) -> String {
    name.replace([' ', ','], "_")
}

/// Makes the files, once: the compressed ones, JSON and Parquet by UNLOAD.
async fn make(client: &Client, tables: &Path, files: &Path) -> Result<()> {
    for (name, _) in WAYS {
        fs::create_dir_all(files.join(folder(name)))?;
    }
    let mut parts: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(tables)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        if name.is_some_and(|name| name.starts_with("lineitem.tbl.")) {
            parts.push(path);
        }
    }
    let mut one = BufWriter::new(File::create(
        files.join(folder("one file")).join("lineitem"),
    )?);
    for (number, part) in parts.iter().enumerate() {
        std::io::copy(&mut File::open(part)?, &mut one)?;
        let csv = files.join(folder("csv, quoted")).join(number.to_string());
        let mut csv = BufWriter::with_capacity(1 << 20, File::create(csv)?);
        for line in BufReader::new(File::open(part)?).lines() {
            let line = line?;
            let fields = line.trim_end_matches('|').split('|').enumerate();
            for (column, field) in fields {
                let comma = if column == 0 { "" } else { "," };
                match TEXTS.contains(&column) {
                    true => write!(csv, "{comma}\"{}\"", field.replace('"', "\"\""))?,
                    false => write!(csv, "{comma}{field}")?,
                }
            }
            writeln!(csv)?;
        }
        csv.flush()?;
    }
    one.flush()?;
    tpch::create_tables(client, Some("lineitem")).await?;
    let copy = format!(
        "COPY lineitem FROM 'file://{}/lineitem.tbl.' DELIMITER '|'",
        tables.display()
    );
    client::rows(client, &copy).await?;
    let unloads = [
        ("gzip", "DELIMITER '|' GZIP MAXFILESIZE 32 MB"),
        ("zstd", "DELIMITER '|' ZSTD MAXFILESIZE 32 MB"),
        ("json", "JSON MAXFILESIZE 200 MB"),
        ("parquet", "PARQUET MAXFILESIZE 32 MB"),
    ];
    for (name, ways) in unloads {
        let to = files.join(folder(name)).join("");
        let unload = format!(
            "UNLOAD ('SELECT * FROM lineitem') TO 'file://{}' {ways} ALLOWOVERWRITE",
            to.display()
        );
        client::rows(client, &unload).await.context(name)?;
    }
    client.batch_execute("DROP TABLE lineitem").await?;
    fs::write(files.join("complete"), "")?;
    Ok(())
}
