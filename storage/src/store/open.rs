//! Opens a data directory: makes a new one or recovers an old one, and lists its orphans.

use super::ReadView;
use super::apply::{apply, missing, read_mask};
use super::ids::{FIRST_CATALOG_ID, Ids};
use super::record::{
    BatchRecord, CheckpointRecord, FORMAT_VERSION, FormatRecord, TableRecord, from_json, to_json,
};
use super::version::{RowGroupEntry, TableVersion};
use crate::error::{Error, Result};
use crate::io::BlockStore;
use crate::layout::frame::{self, Kind};
use crate::layout::name;
use crate::log::{CommitLog, write_replacing};
use crate::schema::{CommitVersion, RowGroupId, SliceId};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a directory held.
pub(super) struct Opened {
    pub(super) log: CommitLog,
    pub(super) view: ReadView,
    pub(super) slice_count: u32,
    pub(super) epoch: u64,
    pub(super) next_catalog_id: u64,
    /// Files of slices that no commit names.
    pub(super) orphans: Vec<PathBuf>,
    /// Row groups of which it is not known which rows are deleted, and why.
    pub(super) unreadable: Vec<(RowGroupId, Error)>,
}

/// Opens what `io` holds; a new directory gets `slice_count` slices.
pub(super) fn open(io: &Arc<dyn BlockStore>, slice_count: u32) -> Result<Opened> {
    let path = Path::new(name::FORMAT);
    match io.read(path)? {
        None => create(io, slice_count),
        Some(bytes) => recover(io, slice_count_of(path, &bytes)?),
    }
}

/// Reads the `FORMAT` file.
fn slice_count_of(path: &Path, bytes: &[u8]) -> Result<u32> {
    let format: FormatRecord = from_json(path, frame::decode_only(path, Kind::Format, bytes)?)?;
    if format.format != FORMAT_VERSION {
        let what = "the data directory".to_owned();
        let (found, supported) = (format.format, FORMAT_VERSION);
        return Err(Error::Version {
            what,
            found,
            supported,
        });
    }
    Ok(format.slice_count)
}

/// Makes a new directory. `FORMAT` comes last: without it, what is there is an unfinished attempt.
fn create(io: &Arc<dyn BlockStore>, slice_count: u32) -> Result<Opened> {
    let holds_data = io
        .list(Path::new(name::LOG_DIR))?
        .iter()
        .any(|path| !matches!(name::parse_log_file(path), Some((1, "log"))));
    if holds_data {
        return Err(missing(Path::new(name::FORMAT), "data directory"));
    }
    let slice_count = slice_count.max(1);
    let log = CommitLog::create(Arc::clone(io))?;
    let format = to_json(&FormatRecord {
        format: FORMAT_VERSION,
        slice_count,
    })?;
    let bytes = frame::encode(Kind::Format, &format)?;
    write_replacing(&**io, Path::new(name::FORMAT), &bytes)?;
    Ok(Opened {
        log,
        view: ReadView {
            version: CommitVersion(0),
            tables: Arc::default(),
            catalog: Arc::default(),
        },
        slice_count,
        epoch: 1,
        next_catalog_id: FIRST_CATALOG_ID,
        orphans: Vec::new(),
        unreadable: Vec::new(),
    })
}

/// A directory as its log tells it, without a look at the row groups and masks it names.
pub(crate) struct Replayed {
    log: CommitLog,
    /// Everything as of the last commit; entries with a mask lack its rows.
    pub(crate) view: ReadView,
    epoch: u64,
    next_catalog_id: u64,
}

/// Reads what a directory says it holds: slices, and the newest view. An error if it holds nothing.
pub(crate) fn look(io: &Arc<dyn BlockStore>) -> Result<(u32, Replayed)> {
    let path = Path::new(name::FORMAT);
    let bytes = io
        .read(path)?
        .ok_or_else(|| missing(path, "data directory"))?;
    let slice_count = slice_count_of(path, &bytes)?;
    Ok((slice_count, replay(io)?))
}

fn recover(io: &Arc<dyn BlockStore>, slice_count: u32) -> Result<Opened> {
    let replayed = replay(io)?;
    let (view, unreadable) = with_masks(&**io, replayed.view)?;
    remove_unfinished_folds(&**io, &view)?;
    let (orphans, greatest_epoch) = find_orphans(&**io, &view, slice_count)?;
    Ok(Opened {
        log: replayed.log,
        view,
        slice_count,
        epoch: replayed.epoch.max(greatest_epoch) + 1,
        next_catalog_id: replayed.next_catalog_id,
        orphans,
        unreadable,
    })
}

fn replay(io: &Arc<dyn BlockStore>) -> Result<Replayed> {
    let recovered = CommitLog::open(Arc::clone(io))?;
    let path = Path::new(name::LOG_DIR);
    let (mut epoch, mut next_catalog_id) = (0, FIRST_CATALOG_ID);
    let mut view = ReadView {
        version: CommitVersion(0),
        tables: Arc::default(),
        catalog: Arc::default(),
    };
    // Of a table's masks only the last matters, and the files of earlier ones may be gone; so masks
    // are read once everything is replayed.
    if let Some(payload) = &recovered.checkpoint {
        let record: CheckpointRecord = from_json(path, payload)?;
        (epoch, next_catalog_id) = (record.epoch, record.next_id);
        view = ReadView {
            version: record.version,
            tables: Arc::new(record.tables.into_iter().map(table_of).collect()),
            catalog: Arc::new(
                record
                    .catalog
                    .into_iter()
                    .map(|(key, value)| (key, Arc::new(value)))
                    .collect(),
            ),
        };
    }
    for payload in &recovered.batches {
        let batch: BatchRecord = from_json(path, payload)?;
        if batch.version.0 != view.version.0 + 1 {
            return Err(out_of_order(path, batch.version, view.version));
        }
        epoch = epoch.max(batch.epoch);
        next_catalog_id = next_catalog_id.max(batch.next_id);
        for commit in &batch.commits {
            let version = CommitVersion(view.version.0 + 1);
            view = apply(&|_, _| Ok(None), &view, commit, version).map_err(|error| {
                Error::Corrupt {
                    path: path.to_owned(),
                    what: format!("commit {}", version.0),
                    reason: format!("it does not fit the commits before it: {error}"),
                }
            })?;
        }
    }
    Ok(Replayed {
        log: recovered.log,
        view,
        epoch,
        next_catalog_id,
    })
}

fn out_of_order(path: &Path, found: CommitVersion, after: CommitVersion) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        what: format!("commit {}", found.0),
        reason: format!("it follows commit {}, so commits are missing", after.0),
    }
}

fn table_of(record: TableRecord) -> (crate::schema::TableId, Arc<TableVersion>) {
    let row_groups = record.row_groups.into_iter().map(|group| {
        Arc::new(RowGroupEntry {
            record: group.record,
            mask_version: group.mask_version,
            mask_in_log: group.mask_rows.is_some(),
            deleted: group.mask_rows.map(|rows| rows.0),
        })
    });
    let table = TableVersion {
        id: record.id,
        layout: Arc::new(record.layout),
        row_groups: Arc::new(row_groups.collect()),
        moves: Arc::new(record.moves),
        derived: Default::default(),
    };
    (record.id, Arc::new(table))
}

/// Reads the masks that are current at the end of a replay. A damaged one fails the statements that
/// read its row group, not the server.
fn with_masks(io: &dyn BlockStore, view: ReadView) -> Result<(ReadView, Vec<(RowGroupId, Error)>)> {
    let mut unreadable = Vec::new();
    let mut tables = (*view.tables).clone();
    for table in tables.values_mut() {
        let has_file = |group: &RowGroupEntry| group.mask_path().is_some();
        if !table.row_groups.iter().any(|group| has_file(group)) {
            continue;
        }
        let mut row_groups = (*table.row_groups).clone();
        for group in row_groups.iter_mut().filter(|group| has_file(group)) {
            let (record, mask_version) = (group.record.clone(), group.mask_version);
            let deleted = match read_mask(io, &record, mask_version) {
                Ok(deleted) => Some(deleted),
                Err(error @ (Error::Corrupt { .. } | Error::Version { .. })) => {
                    tracing::error!(%error, "the rows of a row group cannot be read");
                    unreadable.push((record.id, error));
                    None
                }
                Err(error) => return Err(error),
            };
            *group = Arc::new(RowGroupEntry {
                record,
                deleted,
                mask_version,
                mask_in_log: false,
            });
        }
        *table = Arc::new(TableVersion {
            row_groups: Arc::new(row_groups),
            ..TableVersion::clone(table)
        });
    }
    let view = ReadView {
        tables: Arc::new(tables),
        ..view
    };
    Ok((view, unreadable))
}

/// Removes files that were written for rows of the log and not committed: the next attempt uses their names,
/// so they must not wait for the sweeper.
fn remove_unfinished_folds(io: &dyn BlockStore, view: &ReadView) -> Result<()> {
    let tables = view.tables.values();
    let records = tables.flat_map(|table| table.row_groups.iter().map(|group| &group.record));
    for record in records.filter(|record| record.resident.is_some()) {
        io.remove(&name::row_group(record.slice, record.table, record.id))?;
    }
    Ok(())
}

/// Lists the files that no commit names, and gives the greatest epoch of any file. A row group whose
/// file is gone is told, and fails the statements that read it, not the server.
pub(crate) fn find_orphans(
    io: &dyn BlockStore,
    view: &ReadView,
    slice_count: u32,
) -> Result<(Vec<PathBuf>, u64)> {
    let mut named: HashSet<PathBuf> = HashSet::new();
    for group in view
        .tables
        .values()
        .flat_map(|table| table.row_groups.iter())
    {
        let record = &group.record;
        // Without a file its rows are in the log; one that was written for them and not committed is an orphan.
        if record.resident.is_none() {
            named.insert(name::row_group(record.slice, record.table, record.id));
        }
        named.extend(group.mask_path());
    }
    let (mut orphans, mut epoch) = (Vec::new(), 0);
    for slice in 0..slice_count {
        for dir in io.list_dirs(&name::slice_dir(SliceId(slice)))? {
            for path in io.list(&dir)? {
                let Some(id) = name::greatest_id(&path) else {
                    continue;
                };
                epoch = epoch.max(Ids::epoch_of(id));
                if !named.remove(&path) {
                    orphans.push(path);
                }
            }
        }
    }
    for path in named {
        tracing::error!(path = %path.display(), "the file of a committed row group is missing");
    }
    Ok((orphans, epoch))
}
