//! Gives rows that ride in the log files of their own.
//!
//! A row group keeps its id, its rows and their offsets, so whoever reads it or deletes from it meanwhile
//! need not know. It is sealed first: what is inserted from then on begins another one. Until the
//! commit that names the file, the rows are in the log; after it, no later checkpoint holds them.

use super::group_commit::Request;
use super::{Commit, Inner, ask, sweep};
use crate::error::{Error, Result};
use crate::layout::name;
use crate::row_group::RowGroupRecord;
use crate::schema::{RowGroupId, TableId};
use crossbeam::channel::Sender;
use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use tracing::warn;

/// What [`Inner::fold_wanted`] may say, in the order of weight.
pub(super) const NOTHING: u8 = 0;
pub(super) const FULL: u8 = 1;
pub(super) const LARGE: u8 = 2;

/// Bytes that may ride in the log after a checkpoint, which holds them all.
const CHECKPOINT_BYTES_MAX: u64 = 4 << 20;

/// Which row groups to fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those that have no room for more.
    Full,
    /// Those of one table.
    Table(TableId),
    /// Every one.
    All,
}

/// Does what was asked of the sweeper since it last looked.
pub(super) fn as_asked(inner: &Inner, requests: &Sender<Request>) {
    let wanted = match inner.fold_wanted.swap(NOTHING, Ordering::SeqCst) {
        NOTHING => return,
        LARGE if resident_bytes(inner) > CHECKPOINT_BYTES_MAX => Wanted::All,
        _ => Wanted::Full,
    };
    match fold(inner, requests, wanted) {
        // The store is closing, or has told already.
        Ok(()) | Err(Error::LogStopped) => {}
        Err(error) => warn!(%error, "could not write rows of the log to a file; they stay there"),
    }
}

fn resident_bytes(inner: &Inner) -> u64 {
    let view = inner.view.load();
    let groups = view
        .tables
        .values()
        .flat_map(|table| table.row_groups.iter());
    let resident = groups.filter(|group| group.record.resident.is_some());
    resident.map(|group| group.record.file_bytes).sum()
}

/// Seals the row groups wanted, writes their files, and commits, a table at a time.
pub(super) fn fold(inner: &Inner, requests: &Sender<Request>, wanted: Wanted) -> Result<()> {
    // Nothing is kept under it that could be left half done.
    let _folding = inner.folding.lock().unwrap_or_else(PoisonError::into_inner);
    let ids = row_groups(inner, wanted);
    if ids.is_empty() {
        return Ok(());
    }
    ask(requests, |answer| Request::Seal(ids.clone(), answer))?;
    let ids: HashSet<RowGroupId> = ids.into_iter().collect();
    // Taken after the seal: these row groups have all the rows they will ever have.
    let view = inner.view.load_full();
    for table in view.tables.values() {
        let groups = table.row_groups.iter().map(|group| &group.record);
        let sealed = groups.filter(|record| record.resident.is_some() && ids.contains(&record.id));
        let mut folded = Vec::new();
        let mut written = Ok(());
        for record in sealed {
            match inner.files().write_resident(record, &table.layout) {
                Ok(record) => folded.push(record),
                Err(error) => {
                    written = Err(error);
                    break;
                }
            }
        }
        if folded.is_empty() {
            written?;
            continue;
        }
        let committed = written.and_then(|()| commit(inner, requests, &folded));
        match committed {
            Ok(()) => {}
            // The table was dropped or truncated meanwhile: there is nothing to fold any more.
            Err(Error::Conflict { .. }) => discard(inner, &folded),
            Err(error) => {
                discard(inner, &folded);
                return Err(error);
            }
        }
    }
    Ok(())
}

fn row_groups(inner: &Inner, wanted: Wanted) -> Vec<RowGroupId> {
    let view = inner.view.load();
    let tables = view.tables.values();
    let tables = tables.filter(|table| match wanted {
        Wanted::Table(id) => table.id == id,
        Wanted::Full | Wanted::All => true,
    });
    let records = tables.flat_map(|table| table.row_groups.iter().map(|group| &group.record));
    let is_wanted = |record: &&RowGroupRecord| {
        record.resident.is_some() && (wanted != Wanted::Full || !record.may_grow())
    };
    records.filter(is_wanted).map(|record| record.id).collect()
}

fn commit(inner: &Inner, requests: &Sender<Request>, folded: &[RowGroupRecord]) -> Result<()> {
    let dirs: HashSet<_> = folded
        .iter()
        .map(|record| name::table_dir(record.slice, record.table))
        .collect();
    dirs.iter().try_for_each(|dir| inner.io.sync_dir(dir))?;
    let commit = Box::new(Commit {
        folded: folded.to_vec(),
        ..Commit::default()
    });
    ask(requests, |answer| Request::Commit(commit, answer)).map(drop)
}

/// Removes files that no commit names, unless the last commit may have survived.
fn discard(inner: &Inner, folded: &[RowGroupRecord]) {
    if inner.log_stopped.load(Ordering::SeqCst) {
        return;
    }
    for record in folded {
        let path = name::row_group(record.slice, record.table, record.id);
        sweep::remove(inner, path);
    }
}

#[cfg(test)]
mod tests;
