//! `blueshift check`: verifies every checksum and every reference of a data directory, read-only.

use super::connect::{Output, Table, print};
use super::progress::{Progress, Shown};
use crate::catalog::Catalog;
use crate::catalog::cache::CatalogCache;
use anyhow::{Context, Result};
use blueshift_storage::TableId;
use blueshift_storage::check::{Damage, Report, check};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the process says when something is damaged.
const DAMAGED: u8 = 4;

#[derive(Args)]
pub(super) struct Check {
    /// The data directory; its server may be running.
    #[arg(long, env = "BLUESHIFT_DATA")]
    data: PathBuf,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// Whether standard error shows how far it is: if it is a terminal, always, or never.
    #[arg(long, value_enum, default_value = "auto")]
    progress: Shown,
}

/// Verifies, prints, and gives 0 if all is whole, 4 if something is damaged.
pub(super) fn run(check_of: &Check) -> Result<ExitCode> {
    let progress = Progress::new(check_of.progress);
    let report = check(&check_of.data, &mut |done, all| {
        progress.tell("check", done, all);
    });
    progress.clear();
    let report =
        report.with_context(|| format!("could not check \"{}\"", check_of.data.display()))?;
    let catalog = CatalogCache::default().of(&report.view)?;
    let mut damages = report.damages.clone();
    damages.extend(unmatched(&report, &catalog));
    match check_of.output {
        Output::Table => {
            if !damages.is_empty() {
                print(&listed(&damages, &catalog), Output::Table)?;
            }
            let text = summary(&report, damages.len());
            std::io::stdout().write_all(text.as_bytes())?;
        }
        Output::Json => {
            let text = serde_json::to_string_pretty(&as_json(&report, &damages, &catalog))? + "\n";
            std::io::stdout().write_all(text.as_bytes())?;
        }
    }
    Ok(match damages.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DAMAGED),
    })
}

/// Tables of the catalog without rows' place in storage, and the other way around.
fn unmatched(report: &Report, catalog: &Catalog) -> Vec<Damage> {
    let tables = &report.view.tables;
    let damage = |table, reason: &str| Damage {
        table: Some(table),
        path: PathBuf::from("log"),
        reason: reason.to_owned(),
        ..Damage::default()
    };
    let of_catalog = catalog.tables.values().map(|table| table.id());
    let without_rows = of_catalog.filter(|id| !tables.contains_key(id));
    let known = |id: &&TableId| {
        let oid = u32::try_from(id.0).ok();
        oid.is_some_and(|oid| catalog.tables.contains_key(&oid))
    };
    let unnamed = tables.keys().filter(|id| !known(id));
    without_rows
        .map(|id| damage(id, "the catalog names it, storage does not"))
        .chain(unnamed.map(|id| damage(*id, "storage names it, the catalog does not")))
        .collect()
}

fn name_of(catalog: &Catalog, id: TableId) -> String {
    let oid = u32::try_from(id.0).ok();
    let table = oid.and_then(|oid| catalog.tables.get(&oid));
    match table {
        None => id.0.to_string(),
        Some(table) => match catalog.schemas.get(&table.schema) {
            Some(schema) => format!("{}.{}", schema.name, table.name),
            None => table.name.clone(),
        },
    }
}

const NAMES: [&str; 7] = [
    "table",
    "column",
    "slice",
    "row_group",
    "block",
    "file",
    "reason",
];

fn cells(damage: &Damage, catalog: &Catalog) -> Vec<Option<String>> {
    vec![
        damage.table.map(|table| name_of(catalog, table)),
        damage.column.clone(),
        damage.slice.map(|slice| slice.0.to_string()),
        damage.row_group.map(|id| id.0.to_string()),
        damage.block.map(|block| block.to_string()),
        Some(damage.path.display().to_string()),
        Some(damage.reason.clone()),
    ]
}

fn listed(damages: &[Damage], catalog: &Catalog) -> Table {
    Table {
        kinds: Vec::new(),
        names: NAMES.map(str::to_owned).to_vec(),
        rows: damages
            .iter()
            .map(|damage| cells(damage, catalog))
            .collect(),
    }
}

fn as_json(report: &Report, damages: &[Damage], catalog: &Catalog) -> serde_json::Value {
    let damage = |damage: &Damage| {
        serde_json::json!({
            "table": damage.table.map(|table| name_of(catalog, table)),
            "column": damage.column,
            "slice": damage.slice.map(|slice| slice.0),
            "row_group": damage.row_group.map(|id| id.0),
            "block": damage.block,
            "file": damage.path.display().to_string(),
            "reason": damage.reason,
        })
    };
    serde_json::json!({
        "commit": report.version().0,
        "slices": report.slice_count,
        "tables": report.view.tables.len(),
        "row_groups": report.row_groups,
        "blocks": report.blocks,
        "masks": report.masks,
        "statistics": report.statistics,
        "bytes": report.bytes,
        "ended_meanwhile": report.ended_meanwhile,
        "unnamed_files": report.orphans.len(),
        "unnamed_bytes": report.orphan_bytes,
        "damages": damages.iter().map(damage).collect::<Vec<_>>(),
    })
}

fn summary(report: &Report, damages: usize) -> String {
    let counts = [
        counted(report.row_groups, "row group"),
        counted(report.blocks, "block"),
        counted(report.masks, "mask"),
        counted(report.statistics, "file") + " of statistics",
        counted(report.bytes, "byte"),
    ];
    let mut text = format!(
        "commit {}: {} on {}, {} verified\n",
        report.version().0,
        counted(report.view.tables.len() as u64, "table"),
        counted(report.slice_count.into(), "slice"),
        counts.join(", "),
    );
    if report.ended_meanwhile > 0 {
        let ended = counted(report.ended_meanwhile, "row group or mask");
        text += &format!("{ended} replaced meanwhile\n");
    }
    if !report.orphans.is_empty() {
        let files = counted(report.orphans.len() as u64, "file");
        let bytes = counted(report.orphan_bytes, "byte");
        text += &format!(
            "{files} of {bytes} of no commit: statements that run, or that a stop cut off; the next start removes those\n"
        );
    }
    text + &match damages {
        0 => "no damage\n".to_owned(),
        1 => "1 place is damaged\n".to_owned(),
        many => format!("{many} places are damaged\n"),
    }
}

/// Counts things, in the singular where there is one.
fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        many => format!("{many} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "table"), "1 table");
        assert_eq!(counted(0, "mask"), "0 masks");
        assert_eq!(counted(2, "row group"), "2 row groups");
    }
}
