//! TPC-H tables as `|`-separated text, several files a table, made once and kept.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

/// The tables, in load order.
pub const TABLES: [&str; 8] = [
    "region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem",
];

fn write_rows(path: &Path, rows: impl Iterator<Item = impl Display>) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for row in rows {
        writeln!(file, "{row}")?;
    }
    file.flush()?;
    Ok(())
}

fn write_part(directory: &Path, table: &str, scale: f64, part: i32, parts: i32) -> Result<()> {
    let path = directory.join(format!("{table}.tbl.{part}"));
    match table {
        "region" => write_rows(&path, RegionGenerator::new(scale, part, parts).into_iter()),
        "nation" => write_rows(&path, NationGenerator::new(scale, part, parts).into_iter()),
        "supplier" => write_rows(
            &path,
            SupplierGenerator::new(scale, part, parts).into_iter(),
        ),
        "customer" => write_rows(
            &path,
            CustomerGenerator::new(scale, part, parts).into_iter(),
        ),
        "part" => write_rows(&path, PartGenerator::new(scale, part, parts).into_iter()),
        "partsupp" => write_rows(
            &path,
            PartSuppGenerator::new(scale, part, parts).into_iter(),
        ),
        "orders" => write_rows(&path, OrderGenerator::new(scale, part, parts).into_iter()),
        _ => write_rows(
            &path,
            LineItemGenerator::new(scale, part, parts).into_iter(),
        ),
    }
}

/// Makes what is missing under `directory`: eight files for the large tables, one for the small.
pub fn ensure(directory: &Path, scale: f64) -> Result<()> {
    let done = directory.join("complete");
    if done.exists() {
        return Ok(());
    }
    fs::create_dir_all(directory)
        .with_context(|| format!("could not make {}", directory.display()))?;
    println!(
        "making TPC-H tables at scale {scale} in {}",
        directory.display()
    );
    let mut jobs = Vec::new();
    for table in TABLES {
        let parts = if ["orders", "lineitem", "partsupp", "customer", "part"].contains(&table) {
            8
        } else {
            1
        };
        jobs.extend((1..=parts).map(|part| (table, part, parts)));
    }
    let jobs = std::sync::Mutex::new(jobs);
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let job = jobs.lock().map(|mut jobs| jobs.pop()).unwrap_or_default();
                let Some((table, part, parts)) = job else {
                    return Ok(());
                };
                write_part(directory, table, scale, part, parts)?;
            }
        };
        let threads: Vec<_> = (0..std::thread::available_parallelism().map_or(2, usize::from))
            .map(|_| scope.spawn(work))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| anyhow::bail!("a generator died"))
        })
    })?;
    fs::write(done, "")?;
    Ok(())
}

/// Adds up the bytes of one table's files.
pub fn table_bytes(directory: &Path, table: &str) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("{table}.tbl."))
        {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
