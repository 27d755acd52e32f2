//! Row groups whose rows were written again by VACUUM: how they take the place of the old ones.
//!
//! The old row groups stand in `Commit::removed` and the new ones in `Commit::added`, as for any
//! commit; a [`Rewrite`] says that they hold the same rows, and in which order. Rows appended since
//! the rewrite began stay as they are. Rows deleted since are told by the masks of the new row groups
//! in the same commit, and a mask that came later still is a conflict: no delete is ever lost.

use super::Commit;
use super::apply::{Groups, Tables, follows};
use super::version::{MOVES_MAX, Moved, RowGroupEntry, TableVersion};
use crate::error::{Error, Result};
use crate::row_group::RowGroupRecord;
use crate::schema::{RowGroupId, SliceId, SortKey, TableId, TableLayout};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The order of rewritten rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RewriteOrder {
    /// As before: neighbours in the list were read one after the other, and the region stays.
    Kept,
    /// By the sort key: all row groups of the slice, or all of its unsorted region.
    Sorted,
}

/// Row groups of one slice that hold the rows of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// The table.
    pub table: TableId,
    /// The slice of all row groups named here.
    pub slice: SliceId,
    /// Those that end, with the version of the mask whose rows the new ones lack. `Conflict` if one
    /// is gone or has another mask.
    pub removed: Vec<(RowGroupId, u64)>,
    /// Those that begin, in order.
    pub added: Vec<RowGroupId>,
    /// The sort key they were written by. `Conflict` if the table has another now.
    pub sort_key: SortKey,
    /// Their order.
    pub order: RewriteOrder,
}

impl Commit {
    /// Gives the row groups that rewrites end or begin.
    pub(super) fn rewritten(&self) -> impl Iterator<Item = RowGroupId> {
        self.rewrites.iter().flat_map(|rewrite| {
            let removed = rewrite.removed.iter().map(|(id, _)| *id);
            removed.chain(rewrite.added.iter().copied())
        })
    }
}

/// Gives the moves of a table with those of a commit, where what moved is told by row groups alone: no row of the new
/// ones was deleted in the meantime.
pub(super) fn moves(
    before: &TableVersion,
    after: &[Arc<RowGroupEntry>],
    commit: &Commit,
) -> Arc<Vec<Moved>> {
    let rewrites = commit.rewrites.iter().filter(|one| one.table == before.id);
    let moved = rewrites.filter_map(|rewrite| {
        let from = rewrite.removed.iter().map(|(id, mask)| {
            let mut groups = before.row_groups.iter();
            let group = groups.find(|group| group.record.id == *id)?;
            Some((*id, group.record.rows, *mask))
        });
        let to = rewrite.added.iter().map(|id| {
            let group = after.iter().find(|group| group.record.id == *id)?;
            (group.mask_version == 0).then_some((*id, group.record.rows))
        });
        Some(Moved {
            from: from.collect::<Option<_>>()?,
            to: to.collect::<Option<_>>()?,
        })
    });
    let mut moved = moved.peekable();
    if moved.peek().is_none() {
        return Arc::clone(&before.moves);
    }
    let mut moves = before.moves.as_ref().clone();
    moves.extend(moved);
    moves.drain(..moves.len().saturating_sub(MOVES_MAX));
    Arc::new(moves)
}

/// Puts what each rewrite adds in the place of what it removes, and gives all row groups it dealt with.
pub(super) fn swap(
    tables: &Tables,
    groups: &mut Groups,
    commit: &Commit,
) -> Result<HashSet<RowGroupId>> {
    if commit.rewrites.is_empty() {
        return Ok(HashSet::new());
    }
    let records = commit.added.iter();
    let records: HashMap<RowGroupId, &RowGroupRecord> =
        records.map(|record| (record.id, record)).collect();
    for rewrite in &commit.rewrites {
        let conflict = || Error::Conflict {
            table: rewrite.table.0,
        };
        let table = tables.get(&rewrite.table).ok_or_else(conflict)?;
        if table.layout.sort_key != rewrite.sort_key {
            return Err(conflict());
        }
        let list = groups.get_mut(&rewrite.table).ok_or_else(conflict)?;
        let added = rewrite.added.iter().map(|id| {
            let record = records.get(id).map(|record| (*record).clone());
            let unknown = || Error::Internal(format!("rewrite of unknown row group {}", id.0));
            record.ok_or_else(unknown)
        });
        swap_one(&table.layout, list, rewrite, added.collect::<Result<_>>()?)?;
    }
    Ok(commit.rewritten().collect())
}

fn swap_one(
    layout: &TableLayout,
    list: &mut Vec<Arc<RowGroupEntry>>,
    rewrite: &Rewrite,
    mut added: Vec<RowGroupRecord>,
) -> Result<()> {
    let removed: HashMap<RowGroupId, u64> = rewrite.removed.iter().copied().collect();
    let is_removed =
        |group: &Arc<RowGroupEntry>| removed.get(&group.record.id) == Some(&group.mask_version);
    let mut place = list.iter().position(is_removed).unwrap_or_default();
    let before = list.len();
    list.retain(|group| !is_removed(group));
    if before - list.len() != removed.len() {
        return Err(Error::Conflict {
            table: rewrite.table.0,
        });
    }
    let is_neighbour = |group: &&mut Arc<RowGroupEntry>| {
        group.record.slice == rewrite.slice && group.record.sorted
    };
    let gap = match rewrite.order {
        RewriteOrder::Sorted => gap(layout, list, rewrite.slice, &added),
        RewriteOrder::Kept => None,
    };
    if let Some(gap) = gap {
        place = gap;
    } else if rewrite.order == RewriteOrder::Sorted {
        let (left, right) = list.split_at_mut(place);
        let left = left.iter_mut().rev().find(is_neighbour);
        if let (Some(left), Some(first)) = (left, added.first())
            && !follows(layout, &left.record, first)
        {
            added.iter_mut().for_each(|record| record.sorted = false);
        }
        // What was appended since followed the old end of the sorted region, not this one.
        let mut right: Vec<_> = right.iter_mut().filter(is_neighbour).collect();
        if let (Some(last), Some(first)) = (added.last(), right.first())
            && last.sorted
            && !follows(layout, last, &first.record)
        {
            for group in &mut right {
                let mut unsorted = RowGroupEntry::clone(group);
                unsorted.record.sorted = false;
                **group = Arc::new(unsorted);
            }
        }
    }
    let added = added.into_iter().map(|record| {
        Arc::new(RowGroupEntry {
            record,
            deleted: None,
            mask_version: 0,
            mask_in_log: false,
        })
    });
    drop(list.splice(place..place, added));
    list.sort_by_key(|group| !group.record.sorted);
    Ok(())
}

/// Finds where in the sorted region of a slice sorted rows belong: before it, after it, or between two row groups of
/// it that they do not overlap. Rows of the unsorted region often are older than all that was sorted before.
fn gap(
    layout: &TableLayout,
    list: &[Arc<RowGroupEntry>],
    slice: SliceId,
    added: &[RowGroupRecord],
) -> Option<usize> {
    let (first, last) = (added.first()?, added.last()?);
    let mut end = 0;
    for (place, group) in list.iter().enumerate() {
        if group.record.slice != slice || !group.record.sorted {
            continue;
        }
        if follows(layout, last, &group.record) {
            return Some(end);
        }
        if !follows(layout, &group.record, first) {
            return None;
        }
        end = place + 1;
    }
    Some(end)
}
