//! Marks rows deleted: makes the next mask of each row group, durable in a file of its own or, if it is small, with the
//! commit record it rides in.

use crate::error::{Error, Result};
use crate::io::{failed, with_reserve};
use crate::layout::mask::{self, MaskIdentity, MaskRows};
use crate::layout::name;
use crate::schema::RowGroupId;
use crate::store::version::{RowGroupEntry, TableVersion};
use crate::store::{DeleteMaskRecord, Store};
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Bytes of a mask that may ride in the commit record: about 250 rows. Checkpoints hold it again, so it must be little
/// beside its row group.
const SMALL_BYTES: usize = 512;

/// Rows to delete: offsets within each row group.
pub type RowsToDelete = HashMap<RowGroupId, RoaringBitmap>;

/// Unites `rows` with the masks `version` sees and writes the results, durable but not visible.
/// Also counts the rows that were not deleted before. Row groups of which no row is new get no mask.
/// `Conflict` if `version` has no such row group; on any error nothing is left behind.
pub fn write_masks(
    store: &Arc<Store>,
    version: &TableVersion,
    rows: RowsToDelete,
) -> Result<(Vec<DeleteMaskRecord>, u64)> {
    write(store, version, rows, Some(SMALL_BYTES))
}

/// Writes masks as [`write_masks`] does, each into a file.
#[cfg(test)]
pub(crate) fn write_mask_files(
    store: &Arc<Store>,
    version: &TableVersion,
    rows: RowsToDelete,
) -> Result<(Vec<DeleteMaskRecord>, u64)> {
    write(store, version, rows, None)
}

fn write(
    store: &Arc<Store>,
    version: &TableVersion,
    rows: RowsToDelete,
    small_bytes: Option<usize>,
) -> Result<(Vec<DeleteMaskRecord>, u64)> {
    let mut masks = Vec::new();
    let written = write_all(store, version, rows, small_bytes, &mut masks);
    if written.is_err() {
        store.discard(&[], &masks);
    }
    Ok((masks, written?))
}

/// Tells whether other masks than those that `masks` build on are current in `now`.
pub fn are_overtaken(now: &TableVersion, masks: &[DeleteMaskRecord]) -> bool {
    let bases: HashMap<RowGroupId, u64> = masks
        .iter()
        .map(|mask| (mask.row_group, mask.base_version))
        .collect();
    now.row_groups.iter().any(|group| {
        let base = bases.get(&group.record.id);
        base.is_some_and(|base| *base != group.mask_version)
    })
}

/// Checks that masks made on `seen`, with which it is `own`, delete no row that `now` has deleted besides. `Conflict`
/// if they do, or if a row group is gone.
pub fn ensure_apart(
    seen: &TableVersion,
    own: &TableVersion,
    now: &TableVersion,
    masks: &[DeleteMaskRecord],
) -> Result<()> {
    rows_to_move(seen, own, now, masks).map(|_| ())
}

/// Makes masks made on `seen`, with which it is `own`, again on `now`, durable but not visible; those that fit as they
/// are come back unchanged. `Conflict` as in [`ensure_apart`]; on any error nothing is left behind.
pub fn rebase_masks(
    store: &Arc<Store>,
    seen: &TableVersion,
    own: &TableVersion,
    now: &TableVersion,
    masks: &[DeleteMaskRecord],
) -> Result<Vec<DeleteMaskRecord>> {
    let rows = rows_to_move(seen, own, now, masks)?;
    let moved: BTreeSet<RowGroupId> = rows.keys().copied().collect();
    let (mut rebased, _) = write_masks(store, now, rows)?;
    let kept = masks.iter().filter(|mask| !moved.contains(&mask.row_group));
    rebased.extend(kept.cloned());
    Ok(rebased)
}

/// Gives the rows that `own` has deleted and `seen` has not, of the row groups whose mask is another in `now`.
fn rows_to_move(
    seen: &TableVersion,
    own: &TableVersion,
    now: &TableVersion,
    masks: &[DeleteMaskRecord],
) -> Result<RowsToDelete> {
    let conflict = || Error::Conflict { table: now.id.0 };
    let by_id = |version: &'_ TableVersion| -> HashMap<RowGroupId, Arc<RowGroupEntry>> {
        let groups = version.row_groups.iter();
        groups
            .map(|group| (group.record.id, Arc::clone(group)))
            .collect()
    };
    let (seen, own, current) = (by_id(seen), by_id(own), by_id(now));
    let mut rows = RowsToDelete::new();
    for mask in masks {
        let Some(before) = seen.get(&mask.row_group) else {
            // Rows of the transaction itself.
            continue;
        };
        let current = current.get(&mask.row_group).ok_or_else(conflict)?;
        if current.mask_version == before.mask_version {
            continue;
        }
        let own = own.get(&mask.row_group).ok_or_else(conflict)?;
        let mut deleted = own.deleted.as_deref().cloned().unwrap_or_default();
        if let Some(before) = &before.deleted {
            deleted -= &**before;
        }
        let theirs = current.deleted.as_deref();
        if theirs.is_some_and(|theirs| !deleted.is_disjoint(theirs)) {
            return Err(conflict());
        }
        rows.insert(mask.row_group, deleted);
    }
    Ok(rows)
}

fn write_all(
    store: &Store,
    version: &TableVersion,
    mut rows: RowsToDelete,
    small_bytes: Option<usize>,
    masks: &mut Vec<DeleteMaskRecord>,
) -> Result<u64> {
    let mut rows_deleted = 0;
    let mut dirs = BTreeSet::new();
    for group in version.row_groups.iter() {
        let Some(mut united) = rows.remove(&group.record.id) else {
            continue;
        };
        if united
            .max()
            .is_some_and(|row| u64::from(row) >= group.record.rows)
        {
            let id = group.record.id.0;
            return Err(Error::Internal(format!(
                "row group {id} has no row to delete there"
            )));
        }
        let before = group.deleted.as_ref().map_or(0, |deleted| deleted.len());
        if let Some(deleted) = &group.deleted {
            united |= &**deleted;
        }
        if united.len() == before {
            continue;
        }
        rows_deleted += united.len() - before;
        let mask = write_one(store, group, united, small_bytes)?;
        if mask.rows.is_none() {
            dirs.insert(name::table_dir(group.record.slice, group.record.table));
        }
        masks.push(mask);
    }
    if rows.values().any(|left| !left.is_empty()) {
        return Err(Error::Conflict {
            table: version.id.0,
        });
    }
    dirs.iter().try_for_each(|dir| store.io().sync_dir(dir))?;
    Ok(rows_deleted)
}

fn write_one(
    store: &Store,
    group: &RowGroupEntry,
    rows: RoaringBitmap,
    small_bytes: Option<usize>,
) -> Result<DeleteMaskRecord> {
    let (slice, table, row_group) = (group.record.slice, group.record.table, group.record.id);
    let version = store.next_file_id();
    let mut mask = DeleteMaskRecord {
        table,
        slice,
        row_group,
        base_version: group.mask_version,
        version,
        deleted: rows.len(),
        rows: None,
    };
    // Rows that ride in the log themselves are few enough for any mask of them.
    let is_small = |most| group.record.resident.is_some() || rows.serialized_size() <= most;
    if small_bytes.is_some_and(is_small) {
        mask.rows = Some(MaskRows(Arc::new(rows)));
        return Ok(mask);
    }
    let path = name::mask(slice, table, row_group, version);
    let bytes = mask::encode(
        MaskIdentity {
            table,
            slice,
            row_group,
        },
        &rows,
    )?;
    // A DELETE is the first step to room on a full device.
    let io = &**store.io();
    with_reserve(io, bytes.len() as u64, || {
        io.create(&path, &mut |out| {
            out.write_all(&bytes)
                .map_err(|error| failed("write", &path, error))
        })
    })?;
    Ok(mask)
}
