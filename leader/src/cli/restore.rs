//! `blueshift restore`: makes a new data directory of a snapshot, or one table of it in a running server.

use super::connect::{Connect, Table, literal, print, query, quoted};
use super::progress::{Progress, watched};
use super::snapshot::{block_on, open, whole};
use crate::snapshot::reslice;
use anyhow::{Result, anyhow};
use blueshift_storage::snapshot::{restore, restore_design};
use blueshift_storage::store::Store;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args)]
pub(super) struct Restore {
    /// Where the snapshot is: a directory, or s3://bucket/prefix with the usual AWS_ variables.
    #[arg(long)]
    from: String,
    /// The snapshot.
    #[arg(long)]
    snapshot: String,
    /// The data directory to make; it must be missing or empty.
    #[arg(long, required_unless_present = "table", conflicts_with = "table")]
    data: Option<PathBuf>,
    /// Slices of the new directory, if not as many as the snapshot has; rows are dealt anew.
    #[arg(long, requires = "data", value_parser = clap::value_parser!(u32).range(1..=1024))]
    slices: Option<u32>,
    /// One table, as schema.name in the snapshot, to restore into a running server.
    #[arg(long, requires = "new_name")]
    table: Option<String>,
    /// The new name of the table.
    #[arg(long = "as", id = "new_name", value_name = "NAME", requires = "table")]
    new_name: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

/// What tells how far a RESTORE TABLE is.
const RESTORES: &str =
    "SELECT 'restore ' || table_name || ' ' || phase, progress FROM blueshift_restores";

/// Restores, and prints what came back.
pub(super) fn run(restore: &Restore) -> Result<()> {
    match (&restore.data, &restore.table, &restore.new_name) {
        (Some(dir), _, _) => cluster(restore, dir),
        (None, Some(table), Some(new_name)) => {
            let sql = format!(
                "RESTORE TABLE {} FROM SNAPSHOT {} AT {} AS {}",
                quoted(table),
                literal(&restore.snapshot),
                literal(&whole(&restore.from)?),
                quoted(new_name)
            );
            let count = format!(
                "SELECT {}::varchar AS \"table\", count(*) AS rows FROM {}",
                literal(new_name),
                quoted(new_name)
            );
            let report = block_on(watched(&restore.connect, RESTORES, async |client| {
                query(client, &sql).await?;
                query(client, &count).await
            }))?;
            print(&report, restore.connect.output)
        }
        _ => Err(anyhow!("either --data or --table and --as are needed")),
    }
}

fn cluster(restore_of: &Restore, dir: &Path) -> Result<()> {
    let repository = open(&restore_of.from)?;
    let progress = Progress::new(restore_of.connect.progress);
    let told = |done, all| progress.tell("restore", done, all);
    let manifest = block_on(async {
        let manifest = repository.manifest(&restore_of.snapshot).await?;
        let slices = restore_of.slices.unwrap_or(manifest.slice_count);
        if slices == manifest.slice_count {
            restore(&repository, &manifest, dir, &told).await?;
        } else {
            let compute = tokio::runtime::Handle::current();
            let fill = async |from: &Arc<Store>, to: &Arc<Store>| {
                let resliced = reslice(&compute, from, to).await;
                resliced.map_err(|error| match error {
                    crate::Error::Storage(error) => error,
                    other => blueshift_storage::Error::Internal(other.to_string()),
                })
            };
            restore_design(&repository, &manifest, dir, slices, &told, fill).await?;
        }
        Ok(manifest)
    });
    progress.clear();
    let manifest = manifest?;
    let names = ["snapshot", "data", "slices", "version", "tables", "bytes"];
    let slices = restore_of.slices.unwrap_or(manifest.slice_count);
    let cells = vec![
        Some(manifest.name.clone()),
        Some(dir.display().to_string()),
        Some(slices.to_string()),
        Some(manifest.version.0.to_string()),
        Some(manifest.tables.len().to_string()),
        Some(manifest.bytes.to_string()),
    ];
    let numbers = ["slices", "version", "tables", "bytes"];
    let table = Table::new(&names, &numbers, vec![cells]);
    print(&table, restore_of.connect.output)
}
