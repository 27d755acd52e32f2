//! Verifies a data directory: every checksum and every reference, read-only, whether a server has it
//! open or not.
//!
//! The log is read as the server would, then each row group it names down to each block, and each
//! mask. A running server goes on meanwhile: what it removed after the log was read is told apart from
//! damage by reading the log again.

use crate::error::{Error, Result};
use crate::io::{BlockStore, Untouched};
use crate::layout::{name, statistics};
use crate::row_group::files::{OpenRowGroup, RowGroupFiles};
use crate::schema::{
    ColumnLayout, CommitVersion, EncodingName, RowGroupId, SliceId, TableId, TableLayout,
};
use crate::store::ReadView;
use crate::store::apply::read_mask;
use crate::store::open::{find_orphans, look};
use crate::store::version::RowGroupEntry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Footers and blocks kept in memory; each is looked at once, so hardly any.
const CACHE_BYTES: usize = 1 << 20;

/// How often the log is read again when a server changed it meanwhile.
const ATTEMPTS_MAX: usize = 20;

/// Something that is not what was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The table, if it is in a table.
    pub table: Option<TableId>,
    /// The column's name, if it is in one.
    pub column: Option<String>,
    /// The slice.
    pub slice: Option<SliceId>,
    /// The row group.
    pub row_group: Option<RowGroupId>,
    /// The block's number within the column of the row group, counting from 0.
    pub block: Option<usize>,
    /// The file, relative to the data directory.
    pub path: PathBuf,
    /// What did not hold.
    pub reason: String,
}

/// What was looked at, and what was found.
#[derive(Debug)]
pub struct Report {
    /// Everything the log names, as of the last commit it held.
    pub view: ReadView,
    /// Slices of the directory.
    pub slice_count: u32,
    /// Row groups verified.
    pub row_groups: u64,
    /// Blocks verified.
    pub blocks: u64,
    /// Masks verified.
    pub masks: u64,
    /// Files of statistics verified.
    pub statistics: u64,
    /// Bytes of verified row groups.
    pub bytes: u64,
    /// Row groups and masks that ended while they were looked at.
    pub ended_meanwhile: u64,
    /// Files that no commit names: of statements that run or were cut off.
    pub orphans: Vec<PathBuf>,
    /// The size of those.
    pub orphan_bytes: u64,
    /// What is wrong, in order of table.
    pub damages: Vec<Damage>,
}

impl Report {
    /// Gives the last commit that was seen.
    pub fn version(&self) -> CommitVersion {
        self.view.version
    }
}

/// Verifies the directory `dir`. `told` is called after each row group with those done and all. An
/// error if the log itself does not hold or cannot be read: then nothing can be told about tables.
pub fn check(dir: &Path, told: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    let io: Arc<dyn BlockStore> = Arc::new(Untouched::open(dir)?);
    check_on(&io, told)
}

fn check_on(io: &Arc<dyn BlockStore>, told: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    let (slice_count, view) = newest(io)?;
    let (orphans, _) = find_orphans(&**io, &view, slice_count)?;
    let sizes = orphans.iter().map(|path| io.size(path));
    let orphan_bytes = sizes.filter_map(|size| size.ok().flatten()).sum();
    let mut report = Report {
        view,
        slice_count,
        row_groups: 0,
        blocks: 0,
        masks: 0,
        statistics: 0,
        bytes: 0,
        ended_meanwhile: 0,
        orphans,
        orphan_bytes,
        damages: Vec::new(),
    };
    let files = RowGroupFiles::new(Arc::clone(io), CACHE_BYTES);
    let mut tables: Vec<_> = report.view.tables.values().cloned().collect();
    tables.sort_by_key(|table| table.id);
    let all = tables.iter().map(|table| table.row_groups.len() as u64);
    let (all, mut done) = (all.sum(), 0);
    let mut suspects = Vec::new();
    for table in &tables {
        for entry in table.row_groups.iter() {
            let mut found = Vec::new();
            check_row_group(&files, entry, &table.layout, &mut report, &mut found);
            check_mask(&**io, entry, &mut report, &mut found);
            if entry.record.slice.0 >= slice_count {
                let count = report.slice_count;
                let reason = format!("its slice is not one of the {count} of the directory");
                found.push(of_entry(entry, None, None, reason));
            }
            suspects.extend(found.into_iter().map(|damage| (Arc::clone(entry), damage)));
            done += 1;
            told(done, all);
        }
    }
    settle(io, suspects, &mut report)?;
    check_statistics(&**io, &mut report)?;
    Ok(report)
}

/// Verifies what ANALYZE keeps. A file of a table that is gone is of no use to anybody, so it is no damage.
fn check_statistics(io: &dyn BlockStore, report: &mut Report) -> Result<()> {
    let mut paths = io.list(Path::new(name::STATISTICS_DIR))?;
    paths.sort();
    for path in paths {
        let table = name::parse_statistics(&path);
        let Some(table) = table.filter(|id| report.view.tables.contains_key(id)) else {
            continue;
        };
        let read = || match io.read(&path)? {
            Some(bytes) => statistics::decode(&path, table, &bytes).map(Some),
            None => Ok(None),
        };
        // A server may replace the file between the look at its size and the read.
        match read().or_else(|_| read()).or_else(|_| read()) {
            // Removed by a server.
            Ok(None) => {}
            Ok(Some(_)) => report.statistics += 1,
            Err(error) => report.damages.push(Damage {
                table: Some(table),
                reason: reason(&error),
                path,
                ..Damage::default()
            }),
        }
    }
    Ok(())
}

/// Reads the log; again if a server replaced a part of it meanwhile.
fn newest(io: &Arc<dyn BlockStore>) -> Result<(u32, ReadView)> {
    let state = || -> Result<Vec<(PathBuf, Option<u64>)>> {
        let mut files = io.list(Path::new(name::LOG_DIR))?;
        files.sort();
        let sized = files.into_iter().map(|path| {
            let size = io.size(&path)?;
            Ok((path, size))
        });
        sized.collect()
    };
    for _ in 1..ATTEMPTS_MAX {
        let before = state()?;
        match look(io) {
            Ok((slice_count, replayed)) => return Ok((slice_count, replayed.view)),
            Err(error) if state()? == before => return Err(error),
            Err(_) => {}
        }
    }
    look(io).map(|(slice_count, replayed)| (slice_count, replayed.view))
}

/// Keeps as damage what the log still names: the rest was removed by the server, as it should be.
fn settle(
    io: &Arc<dyn BlockStore>,
    suspects: Vec<(Arc<RowGroupEntry>, Damage)>,
    report: &mut Report,
) -> Result<()> {
    if suspects.is_empty() {
        return Ok(());
    }
    let (_, newest) = newest(io)?;
    for (entry, damage) in suspects {
        let table = newest.tables.get(&entry.record.table);
        let named = table.is_some_and(|table| {
            let same = |other: &Arc<RowGroupEntry>| {
                other.record.id == entry.record.id
                    && (is_row_group(&damage.path) || other.mask_version == entry.mask_version)
            };
            table.row_groups.iter().any(same)
        });
        match named {
            true => report.damages.push(damage),
            false => report.ended_meanwhile += 1,
        }
    }
    Ok(())
}

fn is_row_group(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rg")
}

fn check_row_group(
    files: &RowGroupFiles,
    entry: &RowGroupEntry,
    layout: &TableLayout,
    report: &mut Report,
    found: &mut Vec<Damage>,
) {
    let group = match files.open(&entry.record) {
        Ok(group) => group,
        Err(error) => return found.push(of_entry(entry, None, None, reason(&error))),
    };
    report.row_groups += 1;
    report.bytes += entry.record.file_bytes;
    for (index, footer) in group.footer.columns.iter().enumerate() {
        let known = layout.columns.iter().find(|column| column.id == footer.id);
        // A dropped column stays in its files until a vacuum writes them again.
        let column = known.cloned().unwrap_or_else(|| ColumnLayout {
            id: footer.id,
            name: format!("(dropped column {})", footer.id),
            ty: footer.ty,
            nullable: true,
            encoding: EncodingName::Auto,
        });
        for block in 0..footer.blocks.len() {
            match verify(files, &group, &column, index, block) {
                Ok(()) => report.blocks += 1,
                Err(reason) => {
                    let name = Some(column.name.clone());
                    found.push(of_entry(entry, name, Some(block), reason));
                }
            }
        }
    }
}

fn verify(
    files: &RowGroupFiles,
    group: &OpenRowGroup,
    column: &ColumnLayout,
    index: usize,
    block: usize,
) -> Result<(), String> {
    let read = files.block(group, column, index, block);
    read.map(drop).map_err(|error| reason(&error))
}

fn check_mask(
    io: &dyn BlockStore,
    entry: &RowGroupEntry,
    report: &mut Report,
    found: &mut Vec<Damage>,
) {
    if entry.mask_version == 0 {
        return;
    }
    let record = &entry.record;
    let path = entry.mask_path();
    let path = path.unwrap_or_else(|| PathBuf::from(name::LOG_DIR));
    let rows = match (&entry.deleted, entry.mask_in_log) {
        (Some(rows), true) => Ok(Arc::clone(rows)),
        _ => read_mask(io, record, entry.mask_version),
    };
    let mut refuse = |reason| {
        let damage = of_entry(entry, None, None, reason);
        found.push(Damage {
            path: path.clone(),
            ..damage
        });
    };
    match rows {
        Err(error) => refuse(reason(&error)),
        Ok(rows) if rows.max().is_some_and(|row| u64::from(row) >= record.rows) => {
            refuse("it deletes rows that the row group does not have".to_owned());
        }
        Ok(_) => report.masks += 1,
    }
}

fn of_entry(
    entry: &RowGroupEntry,
    column: Option<String>,
    block: Option<usize>,
    reason: String,
) -> Damage {
    let record = &entry.record;
    Damage {
        table: Some(record.table),
        column,
        slice: Some(record.slice),
        row_group: Some(record.id),
        block,
        path: name::row_group(record.slice, record.table, record.id),
        reason,
    }
}

/// Says what did not hold; where is said by the fields beside it.
fn reason(error: &Error) -> String {
    match error {
        Error::Corrupt { reason, .. } => reason.clone(),
        Error::Io { source, .. } => format!("{error}: {source}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
