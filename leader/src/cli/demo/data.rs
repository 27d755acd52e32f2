//! TPC-H tables as `|`-separated gzip files, several a table, with one manifest a table, as a Redshift user has them.

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

/// The tables in load order, with the rows of each at scale 1 (fewer than 100 do not grow).
pub(super) const TABLES: [(&str, u32); 8] = [
    ("region", 5),
    ("nation", 25),
    ("supplier", 10_000),
    ("customer", 150_000),
    ("part", 200_000),
    ("partsupp", 800_000),
    ("orders", 1_500_000),
    ("lineitem", 6_001_215),
];

/// Rows of one file, about 30 MB of lineitem text; a gzip file is read by one thread.
const FILE_ROWS: f64 = 250_000.0;
/// Files of a table that is worth splitting, at least.
const FILES_MIN: f64 = 4.0;
/// Tables from this many rows are split.
const SPLIT_ROWS: f64 = 10_000.0;
/// Rows between looks at the progress bar and at Ctrl-C.
const STRIDE: u64 = 1_000;

/// What the threads of one making share.
struct Making {
    directory: PathBuf,
    scale: f64,
    bar: ProgressBar,
    canceled: Arc<AtomicBool>,
}

/// One file to make.
struct Part {
    table: &'static str,
    number: i32,
    count: i32,
}

/// Gives about how many rows a table has.
pub(super) fn expected_rows(table: &str, scale: f64) -> f64 {
    let rows = TABLES
        .iter()
        .find(|(name, _)| *name == table)
        .map_or(0, |(_, rows)| *rows);
    match rows < 100 {
        true => f64::from(rows),
        false => f64::from(rows) * scale,
    }
}

/// Gives the manifest of a table.
pub(super) fn manifest(directory: &Path, table: &str) -> PathBuf {
    directory.join(format!("{table}.manifest"))
}

/// Makes the files and manifests of tables on all cores.
pub(super) async fn make(
    directory: &Path,
    tables: &[&'static str],
    scale: f64,
    canceled: Arc<AtomicBool>,
) -> Result<()> {
    let rows: f64 = tables.iter().map(|table| expected_rows(table, scale)).sum();
    let style =
        ProgressStyle::with_template("making   {msg:10} {wide_bar} {human_pos} rows {eta}")?;
    let making = Making {
        directory: directory.to_path_buf(),
        scale,
        bar: ProgressBar::new(rows as u64).with_style(style),
        canceled,
    };
    let tables = tables.to_vec();
    tokio::task::spawn_blocking(move || {
        let made = make_all(&making, &tables);
        making.bar.finish_and_clear();
        made
    })
    .await?
}

fn make_all(making: &Making, tables: &[&'static str]) -> Result<()> {
    let counts: Vec<_> = tables
        .iter()
        .map(|table| (*table, file_count(table, making.scale)))
        .collect();
    let parts = counts.iter().flat_map(|(table, count)| {
        (1..=*count).map(|number| Part {
            table,
            number,
            count: *count,
        })
    });
    // Threads take from the end, so the largest table comes first.
    let parts = Mutex::new(parts.collect::<Vec<_>>());
    let work = || -> Result<()> {
        loop {
            let next = parts.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                Some(part) => make_part(making, &part)?,
                None => return Ok(()),
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| bail!("a thread that makes data died"))
        })
    })?;
    for (table, count) in counts {
        write_manifest(&making.directory, table, count)?;
    }
    Ok(())
}

fn file_count(table: &str, scale: f64) -> i32 {
    let rows = expected_rows(table, scale);
    if rows < SPLIT_ROWS {
        return 1;
    }
    (rows / FILE_ROWS).ceil().max(FILES_MIN) as i32
}

fn file(directory: &Path, table: &str, number: i32) -> PathBuf {
    directory.join(format!("{table}.{number:04}.gz"))
}

fn make_part(making: &Making, part: &Part) -> Result<()> {
    let path = file(&making.directory, part.table, part.number);
    let (scale, number, count) = (making.scale, part.number, part.count);
    making.bar.set_message(part.table);
    let written = match part.table {
        "region" => write_rows(
            making,
            &path,
            RegionGenerator::new(scale, number, count).iter(),
        ),
        "nation" => write_rows(
            making,
            &path,
            NationGenerator::new(scale, number, count).iter(),
        ),
        "supplier" => write_rows(
            making,
            &path,
            SupplierGenerator::new(scale, number, count).iter(),
        ),
        "customer" => write_rows(
            making,
            &path,
            CustomerGenerator::new(scale, number, count).iter(),
        ),
        "part" => write_rows(
            making,
            &path,
            PartGenerator::new(scale, number, count).iter(),
        ),
        "partsupp" => write_rows(
            making,
            &path,
            PartSuppGenerator::new(scale, number, count).iter(),
        ),
        "orders" => write_rows(
            making,
            &path,
            OrderGenerator::new(scale, number, count).iter(),
        ),
        _ => write_rows(
            making,
            &path,
            LineItemGenerator::new(scale, number, count).iter(),
        ),
    };
    written.with_context(|| format!("could not write \"{}\"", path.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "these files are a user's input to COPY, not what must survive"
)]
fn write_rows(
    making: &Making,
    path: &Path,
    rows: impl Iterator<Item = impl Display>,
) -> Result<()> {
    let file = GzEncoder::new(File::create(path)?, Compression::fast());
    let mut text = BufWriter::with_capacity(1 << 16, file);
    let mut count = 0;
    for row in rows {
        writeln!(text, "{row}")?;
        count += 1;
        if count % STRIDE == 0 {
            making.bar.inc(STRIDE);
            if making.canceled.load(Ordering::Relaxed) {
                bail!("the demo was stopped");
            }
        }
    }
    making.bar.inc(count % STRIDE);
    let file = text.into_inner().map_err(|error| error.into_error())?;
    file.finish()?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "these files are a user's input to COPY, not what must survive"
)]
fn write_manifest(directory: &Path, table: &str, count: i32) -> Result<()> {
    let entries = (1..=count).map(|number| {
        let path = file(directory, table, number);
        let length = path.metadata()?.len();
        Ok(json!({
            "url": format!("file://{}", path.display()),
            "mandatory": true,
            "meta": { "content_length": length },
        }))
    });
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let text = serde_json::to_string_pretty(&json!({ "entries": entries }))?;
    std::fs::write(manifest(directory, table), text)
        .with_context(|| format!("could not write the manifest of {table}"))
}

/// Adds up the bytes of a table's files.
pub(super) fn table_bytes(directory: &Path, table: &str) -> u64 {
    (1..)
        .map_while(|number| file(directory, table, number).metadata().ok())
        .map(|file| file.len())
        .sum()
}

/// Removes the files after the load, to give back the disk.
#[expect(
    clippy::disallowed_methods,
    reason = "these files are a user's input to COPY, not what must survive"
)]
pub(super) fn remove(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        std::fs::remove_file(entry?.path())?;
    }
    Ok(())
}
