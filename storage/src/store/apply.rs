//! The one function that turns a view and a commit into the next view. Publishing, replay and a
//! transaction's own overlay all use it, so they cannot disagree.

use super::rewrite;
use super::version::{RowGroupEntry, TableVersion};
use super::{Commit, ReadView};
use crate::error::{Error, Result};
use crate::io::BlockStore;
use crate::layout::{mask, name};
use crate::row_group::RowGroupRecord;
use crate::schema::{
    ColumnType, CommitVersion, RowGroupId, SliceId, SortKey, TableId, TableLayout,
};
use roaring::RoaringBitmap;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Gives the rows a mask of a row group deletes. Replay gives none: of the masks of a row group only
/// the last matters, and the files of earlier ones may be gone.
pub(super) type MaskSource<'a> =
    &'a dyn Fn(&RowGroupRecord, u64) -> Result<Option<Arc<RoaringBitmap>>>;

/// Gives `view` with `commit` on top, under `version`. `Conflict` if a table, row group or mask the
/// commit builds on is no longer there. The rows of its masks come from `masks`.
///
/// A row group stays in the sorted region only if its slice has no other row group of the table, or
/// if its first key follows the last one of the slice's sorted region: a time series that is appended
/// to stays sorted. A rewrite says itself what is sorted, see [`rewrite`].
pub(super) fn apply(
    masks: MaskSource<'_>,
    view: &ReadView,
    commit: &Commit,
    version: CommitVersion,
) -> Result<ReadView> {
    let mut tables = (*view.tables).clone();
    for (id, layout) in &commit.layouts {
        put_layout(&mut tables, *id, layout);
    }
    let mut groups = changed_groups(&tables, commit)?;
    let rewritten = rewrite::swap(&tables, &mut groups, commit)?;
    remove(&mut groups, commit, &rewritten)?;
    add(&tables, &mut groups, commit, &rewritten)?;
    mask_rows(masks, &mut groups, commit)?;
    fold(&mut groups, commit)?;
    for (id, row_groups) in groups {
        if let Some(table) = tables.get_mut(&id) {
            let layout = Arc::clone(&table.layout);
            let moves = rewrite::moves(table, &row_groups, commit);
            *table = Arc::new(TableVersion {
                id,
                layout,
                row_groups: Arc::new(row_groups),
                moves,
                derived: Default::default(),
            });
        }
    }
    for id in &commit.dropped_tables {
        tables.remove(id).ok_or(Error::Conflict { table: id.0 })?;
    }
    let catalog = match commit.catalog.is_empty() {
        true => Arc::clone(&view.catalog),
        false => {
            let mut catalog = (*view.catalog).clone();
            for change in &commit.catalog {
                match &change.value {
                    Some(value) => catalog.insert(change.key.clone(), Arc::new(value.clone())),
                    None => catalog.remove(&change.key),
                };
            }
            Arc::new(catalog)
        }
    };
    Ok(ReadView {
        version,
        tables: Arc::new(tables),
        catalog,
    })
}

pub(super) type Tables = HashMap<TableId, Arc<TableVersion>>;
pub(super) type Groups = HashMap<TableId, Vec<Arc<RowGroupEntry>>>;

fn put_layout(tables: &mut Tables, id: TableId, layout: &TableLayout) {
    let layout = Arc::new(layout.clone());
    let moves = tables.get(&id).map(|table| Arc::clone(&table.moves));
    let row_groups = match tables.get(&id) {
        None => Arc::default(),
        Some(table) if is_same_order(&table.layout, &layout) => Arc::clone(&table.row_groups),
        Some(table) => Arc::new(table.row_groups.iter().map(unordered).collect()),
    };
    tables.insert(
        id,
        Arc::new(TableVersion {
            id,
            layout,
            row_groups,
            moves: moves.unwrap_or_default(),
            derived: Default::default(),
        }),
    );
}

/// Tells whether rows in the order of one layout are in that of the other. Columns are told by their ids: their places
/// move when one is dropped.
fn is_same_order(before: &TableLayout, after: &TableLayout) -> bool {
    fn key(layout: &TableLayout) -> (u8, Vec<Option<u32>>) {
        let (kind, indexes) = match &layout.sort_key {
            SortKey::None => (0, &[][..]),
            SortKey::Compound(indexes) => (1, indexes.as_slice()),
            SortKey::Interleaved(indexes) => (2, indexes.as_slice()),
        };
        let id = |index: &usize| layout.columns.get(*index).map(|column| column.id);
        (kind, indexes.iter().map(id).collect())
    }
    key(before) == key(after)
}

/// A row group whose rows are in no order that is known: a vacuum will sort them.
fn unordered(group: &Arc<RowGroupEntry>) -> Arc<RowGroupEntry> {
    Arc::new(RowGroupEntry {
        record: RowGroupRecord {
            sorted: false,
            mixed: true,
            key_range: None,
            ..group.record.clone()
        },
        deleted: group.deleted.clone(),
        mask_version: group.mask_version,
        mask_in_log: group.mask_in_log,
    })
}

/// Copies the row group lists this commit changes, those of truncated tables empty.
fn changed_groups(tables: &Tables, commit: &Commit) -> Result<Groups> {
    let truncated: HashSet<TableId> = commit.truncated_tables.iter().copied().collect();
    let added = commit.added.iter().map(|record| record.table);
    let removed = commit.removed.iter().map(|(table, _)| *table);
    let masked = commit.masks.iter().map(|mask| mask.table);
    let folded = commit.folded.iter().map(|record| record.table);
    let mut groups = Groups::new();
    for id in added
        .chain(removed)
        .chain(masked)
        .chain(folded)
        .chain(truncated.iter().copied())
    {
        let table = tables.get(&id).ok_or(Error::Conflict { table: id.0 })?;
        groups
            .entry(id)
            .or_insert_with(|| match truncated.contains(&id) {
                true => Vec::new(),
                false => (*table.row_groups).clone(),
            });
    }
    Ok(groups)
}

fn remove(groups: &mut Groups, commit: &Commit, rewritten: &HashSet<RowGroupId>) -> Result<()> {
    let mut removed: HashMap<TableId, HashSet<RowGroupId>> = HashMap::new();
    let plain = |(_, id): &&(TableId, RowGroupId)| !rewritten.contains(id);
    for (table, id) in commit.removed.iter().filter(plain) {
        removed.entry(*table).or_default().insert(*id);
    }
    for (table, ids) in removed {
        let list = groups.entry(table).or_default();
        let before = list.len();
        list.retain(|group| !ids.contains(&group.record.id));
        if before - list.len() != ids.len() {
            return Err(Error::Conflict { table: table.0 });
        }
    }
    Ok(())
}

fn mask_rows(masks: MaskSource<'_>, groups: &mut Groups, commit: &Commit) -> Result<()> {
    let mut positions: HashMap<(TableId, RowGroupId), usize> = HashMap::new();
    if !commit.masks.is_empty() {
        for (table, list) in groups.iter() {
            let numbered = list.iter().enumerate();
            positions.extend(numbered.map(|(at, group)| ((*table, group.record.id), at)));
        }
    }
    for mask in &commit.masks {
        let conflict = || Error::Conflict {
            table: mask.table.0,
        };
        let list = groups.get_mut(&mask.table).ok_or_else(conflict)?;
        let at = positions
            .get(&(mask.table, mask.row_group))
            .ok_or_else(conflict)?;
        let entry = list.get_mut(*at).ok_or_else(conflict)?;
        if entry.mask_version != mask.base_version {
            return Err(conflict());
        }
        let deleted = match &mask.rows {
            Some(rows) => Some(Arc::clone(&rows.0)),
            None => masks(&entry.record, mask.version)?,
        };
        *entry = Arc::new(RowGroupEntry {
            record: entry.record.clone(),
            deleted,
            mask_version: mask.version,
            mask_in_log: mask.rows.is_some(),
        });
    }
    Ok(())
}

fn add(
    tables: &Tables,
    groups: &mut Groups,
    commit: &Commit,
    rewritten: &HashSet<RowGroupId>,
) -> Result<()> {
    let mut added: HashMap<TableId, Vec<&RowGroupRecord>> = HashMap::new();
    let plain = |record: &&RowGroupRecord| !rewritten.contains(&record.id);
    for record in commit.added.iter().filter(plain) {
        added.entry(record.table).or_default().push(record);
    }
    for (id, records) in added {
        let Some(layout) = tables.get(&id).map(|table| Arc::clone(&table.layout)) else {
            return Err(Error::Conflict { table: id.0 });
        };
        let list = groups.entry(id).or_default();
        let records: Vec<_> = extend(list, &layout, records)?;
        let mut regions = match records.is_empty() {
            true => SortedRegions::of(&[]),
            false => SortedRegions::of(list),
        };
        let mut known: HashSet<RowGroupId> = match records.is_empty() {
            true => HashSet::new(),
            false => list.iter().map(|group| group.record.id).collect(),
        };
        for record in records {
            if !known.insert(record.id) {
                let id = record.id.0;
                return Err(Error::Internal(format!("row group {id} was added twice")));
            }
            let record = RowGroupRecord {
                sorted: regions.extend(&layout, record),
                ..record.clone()
            };
            list.push(Arc::new(RowGroupEntry {
                record,
                deleted: None,
                mask_version: 0,
                mask_in_log: false,
            }));
        }
        // Stable: within a region the order of commit stays.
        list.sort_by_key(|group| !group.record.sorted);
    }
    Ok(())
}

/// Lets rows that ride in the log follow those of the row groups they extend; gives the other records.
fn extend<'a>(
    list: &mut [Arc<RowGroupEntry>],
    layout: &TableLayout,
    records: Vec<&'a RowGroupRecord>,
) -> Result<Vec<&'a RowGroupRecord>> {
    let mut others = Vec::with_capacity(records.len());
    for record in records {
        let Some(id) = record.extends else {
            others.push(record);
            continue;
        };
        let conflict = || Error::Conflict {
            table: record.table.0,
        };
        let mut last = list.iter_mut().rev();
        let entry = last.find(|group| group.record.id == id);
        let entry = entry.ok_or_else(conflict)?;
        let sorted = entry.record.sorted && record.sorted && follows(layout, &entry.record, record);
        let grown = entry.record.followed_by(record, sorted)?;
        *entry = Arc::new(RowGroupEntry {
            record: grown.ok_or_else(conflict)?,
            deleted: entry.deleted.clone(),
            mask_version: entry.mask_version,
            mask_in_log: entry.mask_in_log,
        });
    }
    Ok(others)
}

/// Chooses the row group that takes in each small insert of `commit`, so that many of them make one
/// row group. It is the last one of the slice without a file: that at the end of
/// the sorted region if the rows follow it, else one of the unsorted region. Row groups that `is_sealed`
/// stay as they are, and so do inserts from which the commit itself deletes.
pub(super) fn choose_extended(
    view: &ReadView,
    commit: &mut Commit,
    is_sealed: &dyn Fn(RowGroupId) -> bool,
) {
    let masked: HashSet<RowGroupId> = commit.masks.iter().map(|mask| mask.row_group).collect();
    let Commit {
        added,
        layouts,
        truncated_tables,
        dropped_tables,
        ..
    } = commit;
    for record in added {
        let table = record.table;
        let is_changed = truncated_tables.contains(&table)
            || dropped_tables.contains(&table)
            || layouts.iter().any(|(changed, _)| *changed == table);
        let (Some(rows), Some(version)) = (&record.resident, view.tables.get(&table)) else {
            continue;
        };
        if is_changed || masked.contains(&record.id) {
            continue;
        }
        let (mut end, mut unsorted) = (None, None);
        for group in version.row_groups.iter().rev() {
            if group.record.slice == record.slice {
                let place = match group.record.sorted {
                    true => &mut end,
                    false => &mut unsorted,
                };
                place.get_or_insert(&group.record);
                if group.record.sorted {
                    break;
                }
            }
        }
        let end = end.filter(|end| record.sorted && follows(&version.layout, end, record));
        let chosen: Option<&RowGroupRecord> = end.or(unsorted);
        let fits = |chosen: &&RowGroupRecord| {
            let is_like = chosen
                .resident
                .as_ref()
                .is_some_and(|own| own.is_like(rows));
            is_like && chosen.may_grow() && !is_sealed(chosen.id)
        };
        record.extends = chosen.filter(fits).map(|chosen| chosen.id);
    }
}

/// Gives row groups whose rows were in the log the files that hold them now.
fn fold(groups: &mut Groups, commit: &Commit) -> Result<()> {
    for record in &commit.folded {
        let conflict = || Error::Conflict {
            table: record.table.0,
        };
        let list = groups.get_mut(&record.table).ok_or_else(conflict)?;
        let mut last = list.iter_mut().rev();
        let entry = last.find(|group| group.record.id == record.id);
        let entry = entry.ok_or_else(conflict)?;
        if entry.record.resident.is_none() || entry.record.rows != record.rows {
            return Err(conflict());
        }
        *entry = Arc::new(RowGroupEntry {
            record: RowGroupRecord {
                file_bytes: record.file_bytes,
                resident: None,
                ..entry.record.clone()
            },
            deleted: entry.deleted.clone(),
            mask_version: entry.mask_version,
            mask_in_log: entry.mask_in_log,
        });
    }
    Ok(())
}

/// The last row group of each slice's sorted region; `None` if a slice has only unsorted ones.
struct SortedRegions {
    ends: HashMap<SliceId, Option<RowGroupRecord>>,
}

impl SortedRegions {
    fn of(list: &[Arc<RowGroupEntry>]) -> Self {
        let mut ends: HashMap<SliceId, Option<RowGroupRecord>> = HashMap::new();
        for record in list.iter().map(|group| &group.record) {
            let end = ends.entry(record.slice).or_default();
            if record.sorted {
                *end = Some(record.clone());
            }
        }
        Self { ends }
    }

    /// Tells whether `record` extends the sorted region of its slice, and if so makes it the end.
    fn extend(&mut self, layout: &TableLayout, record: &RowGroupRecord) -> bool {
        let fits = match self.ends.get(&record.slice) {
            None => true,
            Some(None) => false,
            Some(Some(end)) => follows(layout, end, record),
        };
        let sorted = record.sorted && layout.sort_key != SortKey::None && fits;
        let end = self.ends.entry(record.slice).or_default();
        if sorted {
            *end = Some(record.clone());
        }
        sorted
    }
}

/// Tells whether all rows of `next` follow those of `end`, by their leading keys. Equal keys tell that
/// only where the leading key is the whole key: not with further columns, and not with text, of which
/// a key holds the beginning.
pub(super) fn follows(layout: &TableLayout, end: &RowGroupRecord, next: &RowGroupRecord) -> bool {
    let (Some(end), Some(next)) = (end.key_range, next.key_range) else {
        return false;
    };
    let is_whole_key = match &layout.sort_key {
        SortKey::Compound(indexes) => match indexes.as_slice() {
            [only] => layout
                .columns
                .get(*only)
                .is_some_and(|column| !matches!(column.ty, ColumnType::Text | ColumnType::Bytes)),
            _ => false,
        },
        SortKey::None | SortKey::Interleaved(_) => false,
    };
    end.last < next.first || (is_whole_key && end.last == next.first)
}

/// Reads and verifies the mask file of a row group.
pub(crate) fn read_mask(
    io: &dyn BlockStore,
    record: &RowGroupRecord,
    version: u64,
) -> Result<Arc<RoaringBitmap>> {
    let path = name::mask(record.slice, record.table, record.id, version);
    let identity = mask::MaskIdentity {
        table: record.table,
        slice: record.slice,
        row_group: record.id,
    };
    let bytes = io
        .read(&path)?
        .ok_or_else(|| missing(&path, &mask::describe(identity)))?;
    Ok(Arc::new(mask::decode(&path, identity, &bytes)?))
}

/// Tells that a file the log names is gone.
pub(super) fn missing(path: &Path, what: &str) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        what: what.to_owned(),
        reason: "the commit log names it but the file is missing".to_owned(),
    }
}
