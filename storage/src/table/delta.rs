//! What changed in a table since a mark: the rows that were added, and those that were deleted.
//!
//! A mark names the row groups of a version, how many rows each had and which of them were deleted. Row groups keep
//! their ids, and a row its place, for as long as they last; so what came and went since is told exactly. Where a row
//! group of the mark is gone it cannot be told, and [`Mark::since`] says so: TRUNCATE ended it, or VACUUM put its rows
//! together with later ones. Rows that VACUUM moved alone are followed, see [`TableVersion::moves`].

use crate::schema::RowGroupId;
use crate::store::version::{RowGroupEntry, TableVersion};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of delete masks one mark keeps; of masks beyond it only the version is known, which is enough while no more
/// rows of those row groups are deleted.
const MASK_BYTES_MAX: usize = 64 << 10;

/// What a table held, in few bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    groups: Vec<MarkedGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MarkedGroup {
    id: RowGroupId,
    rows: u64,
    /// The version of its delete mask; 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    mask: u64,
    /// The rows that mask deletes, as base64 of a roaring bitmap, if there was room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<String>,
}

fn is_zero(version: &u64) -> bool {
    *version == 0
}

/// What happened since a mark, as versions of the table that hold nothing else.
#[derive(Clone, Debug)]
pub struct Delta {
    /// All rows as they were at the mark.
    pub before: Arc<TableVersion>,
    /// The rows that are there now and were not then.
    pub added: Arc<TableVersion>,
    /// The rows that were there then and are not now.
    pub removed: Arc<TableVersion>,
}

impl Mark {
    /// Makes the mark of a version.
    pub fn of(version: &TableVersion) -> Self {
        let mut room = MASK_BYTES_MAX;
        let groups = version.row_groups.iter().map(|group| {
            let deleted = group.deleted.as_deref().and_then(|rows| {
                let bytes = rows.serialized_size();
                room = room.checked_sub(bytes)?;
                let mut out = Vec::with_capacity(bytes);
                rows.serialize_into(&mut out).ok()?;
                Some(STANDARD_NO_PAD.encode(out))
            });
            MarkedGroup {
                id: group.record.id,
                rows: group.record.rows,
                mask: group.mask_version,
                deleted,
            }
        });
        Self {
            groups: groups.collect(),
        }
    }

    /// Gives the mark with the rows where VACUUM has put them since; `None` if rows of the mark and others went into
    /// one row group, or rows were deleted before it did.
    fn moved(&self, now: &TableVersion) -> Option<Self> {
        let mut moved = self.clone();
        for one in now.moves.iter() {
            let is_from = |group: &MarkedGroup| one.from.iter().any(|(id, ..)| *id == group.id);
            let (gone, kept): (Vec<_>, Vec<_>) = moved.groups.into_iter().partition(is_from);
            moved.groups = kept;
            if gone.is_empty() {
                continue;
            }
            let is_whole = gone.len() == one.from.len()
                && gone
                    .iter()
                    .all(|group| one.from.contains(&(group.id, group.rows, group.mask)));
            if !is_whole {
                return None;
            }
            moved
                .groups
                .extend(one.to.iter().map(|(id, rows)| MarkedGroup {
                    id: *id,
                    rows: *rows,
                    mask: 0,
                    deleted: None,
                }));
        }
        Some(moved)
    }

    /// Tells whether a version holds the very rows of the mark.
    pub fn is_of(&self, version: &TableVersion) -> bool {
        self.moved(version)
            .is_some_and(|moved| moved.is_like(version))
    }

    fn is_like(&self, version: &TableVersion) -> bool {
        let mut known: HashMap<RowGroupId, (u64, u64)> = HashMap::with_capacity(self.groups.len());
        known.extend(
            self.groups
                .iter()
                .map(|group| (group.id, (group.rows, group.mask))),
        );
        let is_same = |group: &Arc<RowGroupEntry>| {
            known.get(&group.record.id) == Some(&(group.record.rows, group.mask_version))
        };
        version.row_groups.len() == known.len() && version.row_groups.iter().all(is_same)
    }

    /// Tells what changed up to `now`; `None` if that is not known.
    pub fn since(&self, now: &TableVersion) -> Option<Delta> {
        self.moved(now)?.since_as_is(now)
    }

    fn since_as_is(&self, now: &TableVersion) -> Option<Delta> {
        let current = now.row_groups.iter();
        let current: HashMap<RowGroupId, &Arc<RowGroupEntry>> =
            current.map(|group| (group.record.id, group)).collect();
        let mut known: HashMap<RowGroupId, &MarkedGroup> =
            HashMap::with_capacity(self.groups.len());
        for group in &self.groups {
            let entry = current.get(&group.id)?;
            if entry.record.rows < group.rows {
                return None;
            }
            known.insert(group.id, group);
        }
        let (mut before, mut added, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for entry in now.row_groups.iter() {
            let Some(group) = known.get(&entry.record.id) else {
                added.push(Arc::clone(entry));
                continue;
            };
            let then = group.deleted_then(entry)?;
            let rows = u32::try_from(group.rows).ok()?;
            let end = u32::try_from(entry.record.rows).ok()?;
            let mut later = RoaringBitmap::new();
            later.insert_range(rows..end);
            let now_deleted = entry.deleted.as_deref().cloned().unwrap_or_default();
            // Of the rows then, those that are deleted now.
            let gone = &(&now_deleted - &then) - &later;
            if !gone.is_empty() {
                let mut others = RoaringBitmap::new();
                others.insert_range(0..end);
                removed.push(with_deleted(entry, &others - &gone));
            }
            if !(&later - &now_deleted).is_empty() {
                let mut others = now_deleted;
                others.insert_range(0..rows);
                added.push(with_deleted(entry, others));
            }
            before.push(with_deleted(entry, then | later));
        }
        let version = |groups: Vec<Arc<RowGroupEntry>>| {
            Arc::new(TableVersion {
                row_groups: Arc::new(groups),
                ..now.clone()
            })
        };
        Some(Delta {
            before: version(before),
            added: version(added),
            removed: version(removed),
        })
    }
}

impl MarkedGroup {
    /// Gives the rows of the row group that were deleted at the mark.
    fn deleted_then(&self, now: &RowGroupEntry) -> Option<RoaringBitmap> {
        if self.mask == 0 {
            return Some(RoaringBitmap::new());
        }
        if self.mask == now.mask_version {
            return Some(now.deleted.as_deref().cloned().unwrap_or_default());
        }
        let bytes = STANDARD_NO_PAD.decode(self.deleted.as_ref()?).ok()?;
        RoaringBitmap::deserialize_from(bytes.as_slice()).ok()
    }
}

fn with_deleted(entry: &RowGroupEntry, deleted: RoaringBitmap) -> Arc<RowGroupEntry> {
    Arc::new(RowGroupEntry {
        record: entry.record.clone(),
        deleted: (!deleted.is_empty()).then(|| Arc::new(deleted)),
        mask_version: entry.mask_version,
        mask_in_log: entry.mask_in_log,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row_group::RowGroupRecord;
    use crate::schema::{SliceId, SortKey, TableId, TableLayout};
    use crate::store::version::Moved;

    fn entry(id: u64, rows: u64, mask: u64, deleted: &[u32]) -> Arc<RowGroupEntry> {
        let bits: RoaringBitmap = deleted.iter().copied().collect();
        Arc::new(RowGroupEntry {
            record: RowGroupRecord {
                table: TableId(1),
                slice: SliceId(0),
                id: RowGroupId(id),
                rows,
                file_bytes: 0,
                sorted: false,
                key_range: None,
                mixed: false,
                resident: None,
                extends: None,
            },
            deleted: (mask != 0).then(|| Arc::new(bits)),
            mask_version: mask,
            mask_in_log: false,
        })
    }

    fn version(groups: Vec<Arc<RowGroupEntry>>) -> TableVersion {
        TableVersion {
            id: TableId(1),
            layout: Arc::new(TableLayout {
                columns: Vec::new(),
                sort_key: SortKey::None,
            }),
            row_groups: Arc::new(groups),
            moves: Arc::default(),
            derived: Default::default(),
        }
    }

    /// The live rows of a version as (row group, offset).
    fn rows(version: &TableVersion) -> Vec<(u64, u32)> {
        let mut rows = Vec::new();
        for group in version.row_groups.iter() {
            for row in 0..u32::try_from(group.record.rows).unwrap() {
                if !group
                    .deleted
                    .as_ref()
                    .is_some_and(|deleted| deleted.contains(row))
                {
                    rows.push((group.record.id.0, row));
                }
            }
        }
        rows.sort_unstable();
        rows
    }

    #[test]
    fn what_came_and_went_is_told_row_by_row() {
        let then = version(vec![
            entry(1, 3, 0, &[]),
            entry(2, 4, 7, &[1]),
            entry(3, 2, 0, &[]),
        ]);
        let text = serde_json::to_string(&Mark::of(&then)).unwrap();
        let mark: Mark = serde_json::from_str(&text).unwrap();
        assert!(mark.is_of(&then));
        let now = version(vec![
            entry(1, 5, 8, &[0, 4]),
            entry(2, 4, 9, &[1, 2]),
            entry(3, 2, 0, &[]),
            entry(4, 1, 0, &[]),
        ]);
        assert!(!mark.is_of(&now));
        let delta = mark.since(&now).unwrap();
        assert_eq!(rows(&delta.before), rows(&then));
        assert_eq!(rows(&delta.added), vec![(1, 3), (4, 0)]);
        assert_eq!(rows(&delta.removed), vec![(1, 0), (2, 2)]);
    }

    #[test]
    fn rows_are_followed_through_a_vacuum() {
        let then = version(vec![entry(1, 3, 5, &[2]), entry(2, 4, 0, &[])]);
        let mark = Mark::of(&then);
        let moved = |from: Vec<(u64, u64, u64)>, to: Vec<(u64, u64)>| Moved {
            from: from
                .into_iter()
                .map(|(id, rows, mask)| (RowGroupId(id), rows, mask))
                .collect(),
            to: to
                .into_iter()
                .map(|(id, rows)| (RowGroupId(id), rows))
                .collect(),
        };
        let moves = vec![
            moved(vec![(1, 3, 5), (2, 4, 0)], vec![(7, 6)]),
            // Rows that came later, and again all of the first.
            moved(vec![(3, 1, 0)], vec![(8, 1)]),
            moved(vec![(7, 6, 0)], vec![(9, 6)]),
        ];
        let mut now = version(vec![entry(9, 6, 0, &[])]);
        now.moves = Arc::new(moves.clone());
        assert!(mark.is_of(&now));
        let mut now = version(vec![entry(9, 6, 4, &[0]), entry(8, 1, 0, &[])]);
        now.moves = Arc::new(moves);
        let delta = mark.since(&now).unwrap();
        assert_eq!(rows(&delta.added), vec![(8, 0)]);
        assert_eq!(rows(&delta.removed), vec![(9, 0)]);
        // Deleted first, or put together with later rows: not to be told.
        for from in [
            vec![(1, 3, 6), (2, 4, 0)],
            vec![(1, 3, 5), (2, 4, 0), (3, 1, 0)],
        ] {
            let mut now = version(vec![entry(7, 6, 0, &[])]);
            now.moves = Arc::new(vec![moved(from, vec![(7, 6)])]);
            assert!(mark.since(&now).is_none());
            assert!(!mark.is_of(&now));
        }
    }

    #[test]
    fn a_row_group_that_is_gone_leaves_nothing_to_tell() {
        let mark = Mark::of(&version(vec![entry(1, 3, 0, &[])]));
        assert!(mark.since(&version(vec![entry(2, 3, 0, &[])])).is_none());
    }
}
