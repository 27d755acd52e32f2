//! Writes rows of one slice again for VACUUM: in sort order or as they were, without deleted ones.
//!
//! Memory is bounded by the buffer: a slice that does not fit is cut into ranges of the sort key
//! ([`ranges`]), and each range is gathered from all row groups, sorted and written. Nothing is
//! visible before [`Merged::publish`], and readers and writers go on meanwhile. Rows deleted by then
//! are deleted from the new row groups too: the merge remembers where each row went.

use crate::encoding::choose::Precedents;
use crate::error::{Error, Result};
use crate::layout::name;
use crate::row_group::{RowGroupIdentity, RowGroupRecord};
use crate::schema::{
    ColumnLayout, ColumnType, CommitVersion, EncodingName, RowGroupId, SliceId, SortKey, TableId,
    TableLayout,
};
use crate::store::rewrite::{Rewrite, RewriteOrder};
use crate::store::version::{RowGroupEntry, TableVersion};
use crate::store::{Commit, DeleteMaskRecord, ReadView, Store};
use crate::table::buffered::Buffered;
use crate::table::delete::{RowsToDelete, write_masks};
use crate::table::order;
use crate::table::scan::zones::VectorBatch;
use crate::table::scan::{ROW_ID, RowGroupScan, ScanRequest, ZONE_ROWS, zone_count};
use arrow_array::RecordBatch;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

mod ranges;
#[cfg(test)]
mod tests;

use ranges::Ranges;

/// Rows of a row group at most, as for any write.
const ROWS_MAX: usize = 4 * 1024 * 1024;

/// Looks at the newest view before a publish gives up; each is lost only to a commit in between.
const PUBLISH_TRIES_MAX: usize = 64;

/// Where no row went: it was deleted before.
const NOWHERE: u32 = u32::MAX;

/// What to write again on one slice.
#[derive(Clone, Debug)]
pub struct MergePlan {
    /// The slice.
    pub slice: SliceId,
    /// The order of the new rows.
    pub order: RewriteOrder,
    /// For [`RewriteOrder::Sorted`] one list: all row groups of the slice, or its unsorted region. For
    /// [`RewriteOrder::Kept`] any number of lists of neighbours of one region.
    pub runs: Vec<Vec<Arc<RowGroupEntry>>>,
}

/// How to do it.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// Arrow memory of one row group, and of what is held at once.
    pub buffer_bytes: usize,
    /// Whether rows may be deleted while the merge runs: costs four bytes a row. Without it, such a
    /// delete makes the publish a `Conflict`.
    pub deletes_may_come: bool,
}

/// How often a paused merge looks whether it may go on.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// How far a merge is; shared with who watches it, who may also stop it.
#[derive(Debug, Default)]
pub struct MergeProgress {
    /// Rows written.
    pub rows: AtomicU64,
    /// Set to end the merge with `Canceled`.
    pub stop: AtomicBool,
    /// While it is set the merge waits, holding nothing that others wait for.
    pub pause: AtomicBool,
}

/// Rows written again, durable but not visible. Dropped unpublished, their files are removed.
pub struct Merged {
    store: Arc<Store>,
    table: TableId,
    layout: Arc<TableLayout>,
    plan: MergePlan,
    added: Vec<RowGroupRecord>,
    /// How many of `added` each run made.
    added_by_run: Vec<usize>,
    /// Per row group that ends, where its rows went, counted through all of `added`.
    places: Option<HashMap<RowGroupId, Vec<u32>>>,
}

/// Writes the rows of `plan` again. Blocks and computes: call it where that is allowed.
pub fn merge(
    store: &Arc<Store>,
    table: &TableVersion,
    mut plan: MergePlan,
    options: &MergeOptions,
    progress: &MergeProgress,
) -> Result<Merged> {
    seal(store, table.id, &mut plan)?;
    let places = options.deletes_may_come.then(|| {
        let inputs = plan.runs.iter().flatten();
        inputs
            .map(|group| (group.record.id, vec![NOWHERE; group.record.rows as usize]))
            .collect()
    });
    let mut merge = Merge {
        options,
        progress,
        pending: Buffered::new(&with_row_id(&table.layout)),
        precedents: Precedents::default(),
        merged: Merged {
            store: Arc::clone(store),
            table: table.id,
            layout: Arc::clone(&table.layout),
            plan,
            added: Vec::new(),
            added_by_run: Vec::new(),
            places,
        },
    };
    merge.run()?;
    let merged = merge.merged;
    if !merged.added.is_empty() {
        let dir = name::table_dir(merged.plan.slice, merged.table);
        merged.store.io().sync_dir(&dir)?;
    }
    Ok(merged)
}

/// Gives away room that is kept for it if a run that loses rows finds too little for `rows` of them.
fn make_room(store: &Store, run: &[Arc<RowGroupEntry>], rows: u64) {
    let records = run.iter().map(|group| &group.record);
    let (all, bytes) = records.fold((0, 0), |(all, bytes), record| {
        (all + record.rows, bytes + record.file_bytes)
    });
    let live: u64 = run.iter().map(|group| live_rows(group)).sum();
    if live < all {
        let wanted = u128::from(bytes) * u128::from(rows) / u128::from(all);
        store.io().prepare_reserve(wanted as u64);
    }
}

/// Sees to it that no row group of the plan grows: rows that ride in the log would be lost that came
/// after they were read.
fn seal(store: &Store, table: TableId, plan: &mut MergePlan) -> Result<()> {
    let groups = plan.runs.iter().flatten();
    let resident = groups.filter(|group| group.record.resident.is_some());
    let ids: Vec<RowGroupId> = resident.map(|group| group.record.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    store.seal(ids.clone())?;
    // Those sealed may have grown since the plan was made.
    let view = store.read_view();
    let conflict = || Error::Conflict { table: table.0 };
    let version = view.table(table).map_err(|_| conflict())?;
    let current: HashMap<RowGroupId, &Arc<RowGroupEntry>> = version
        .on_slice(plan.slice)
        .map(|group| (group.record.id, group))
        .collect();
    for group in plan.runs.iter_mut().flatten() {
        if ids.contains(&group.record.id) {
            let now = current.get(&group.record.id).ok_or_else(conflict)?;
            *group = Arc::clone(now);
        }
    }
    Ok(())
}

/// A merge at work.
struct Merge<'a> {
    options: &'a MergeOptions,
    progress: &'a MergeProgress,
    /// Whole rows, and last the row id: `ordinal in the run << 32 | offset`.
    pending: Buffered,
    precedents: Precedents,
    merged: Merged,
}

impl<'a> Merge<'a> {
    fn run(&mut self) -> Result<()> {
        for run in self.merged.plan.runs.clone() {
            let before = self.merged.added.len();
            let has_key = self.merged.layout.sort_key != SortKey::None;
            match self.merged.plan.order {
                RewriteOrder::Sorted if has_key => self.sort(&run)?,
                RewriteOrder::Sorted | RewriteOrder::Kept => self.keep(&run)?,
            }
            let count = self.merged.added.len() - before;
            self.merged.added_by_run.push(count);
        }
        Ok(())
    }

    /// Writes rows in the order they are in; row groups become as large as the buffer.
    fn keep(&mut self, run: &[Arc<RowGroupEntry>]) -> Result<()> {
        let sorted = run.iter().all(|group| group.record.sorted);
        let request = self.whole_rows();
        for (ordinal, group) in run.iter().enumerate() {
            let mut rows = self.read(group, ordinal, all_zones(group), &request)?;
            while let Some(zone) = rows.next_zone()? {
                self.pending.extend_zone(&zone);
                self.write_if_full(run, sorted)?;
            }
        }
        self.write(run, sorted)
    }

    fn sort(&mut self, run: &[Arc<RowGroupEntry>]) -> Result<()> {
        let ranges = self.ranges(run)?;
        let request = self.whole_rows();
        for range in ranges.all() {
            for (ordinal, group) in run.iter().enumerate() {
                for (zones, is_inside) in range.stretches(ordinal, all_zones(group)) {
                    let mut rows = self.read(group, ordinal, zones, &request)?;
                    match is_inside {
                        true => {
                            while let Some(zone) = rows.next_zone()? {
                                self.pending.extend_zone(&zone);
                                // Rows of one key need no order among each other.
                                if range.is_one_key() {
                                    self.write_if_full(run, true)?;
                                }
                            }
                        }
                        false => {
                            while let Some(batch) = rows.next_batch()? {
                                self.push(range.rows_inside(&batch)?);
                                if range.is_one_key() {
                                    self.write_if_full(run, true)?;
                                }
                            }
                        }
                    }
                }
            }
            self.write(run, true)?;
        }
        Ok(())
    }

    /// Cuts the keys of a run into ranges that fit the buffer: one pass over the key columns, or none
    /// if all rows fit at once.
    fn ranges(&self, run: &[Arc<RowGroupEntry>]) -> Result<Ranges> {
        let rows: u64 = run.iter().map(|group| live_rows(group)).sum();
        let bytes = rows as usize * self.row_bytes(run)?;
        // Three quarters leave room for what the sample does not show.
        let by_bytes = bytes.div_ceil((self.options.buffer_bytes / 4 * 3).max(1));
        let count = by_bytes.max((rows as usize).div_ceil(ROWS_MAX / 2));
        let layout = &self.merged.layout;
        let mut ranges = Ranges::new(layout, rows as usize, count)?;
        while let Some(columns) = ranges.columns_wanted() {
            let request = Arc::new(ScanRequest {
                projection: columns,
                conjuncts: Vec::new(),
                row_ids: false,
                batch_rows: ZONE_ROWS,
            });
            for (ordinal, group) in run.iter().enumerate() {
                for zone in all_zones(group) {
                    let mut rows = self.read(group, ordinal, zone..zone + 1, &request)?;
                    while let Some(batch) = rows.next_batch()? {
                        ranges.see(ordinal, zone, &batch)?;
                    }
                }
            }
            ranges.end_of_pass()?;
        }
        Ok(ranges)
    }

    /// Estimates the arrow memory of a row, from footers.
    fn row_bytes(&self, run: &[Arc<RowGroupEntry>]) -> Result<usize> {
        let layout = &self.merged.layout;
        let fixed = |width: Option<usize>| width.unwrap_or(16);
        let widths = layout.columns.iter();
        let widths = widths.map(|column| fixed(column.ty.arrow().primitive_width()));
        let (mut text, mut rows) = (0, 0);
        for group in run {
            let open = self.merged.store.row_groups().open(&group.record)?;
            for column in &layout.columns {
                let found = open.column(column.id);
                let footer = found.and_then(|index| open.footer.columns.get(index));
                if let Some(footer) = footer
                    && column.ty.arrow().primitive_width().is_none()
                {
                    text += footer.sketch.value_bytes as usize;
                }
            }
            rows += group.record.rows as usize;
        }
        Ok(widths.sum::<usize>() + size_of::<i64>() + text / rows.max(1))
    }

    fn whole_rows(&self) -> Arc<ScanRequest> {
        Arc::new(ScanRequest {
            projection: (0..self.merged.layout.columns.len()).collect(),
            conjuncts: Vec::new(),
            row_ids: true,
            batch_rows: ZONE_ROWS,
        })
    }

    fn read(
        &self,
        group: &Arc<RowGroupEntry>,
        ordinal: usize,
        zones: Range<usize>,
        request: &Arc<ScanRequest>,
    ) -> Result<Reader<'a>> {
        let (store, layout) = (&self.merged.store, &self.merged.layout);
        let (ordinal, request) = (ordinal as u32, Arc::clone(request));
        Ok(Reader {
            scan: RowGroupScan::new(store, layout, group, ordinal, zones, request)?,
            progress: self.progress,
        })
    }

    fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.pending.extend(&batch);
        }
    }

    fn write_if_full(&mut self, run: &[Arc<RowGroupEntry>], sorted: bool) -> Result<()> {
        let full = self.pending.bytes() >= self.options.buffer_bytes
            || self.pending.rows() + ZONE_ROWS > ROWS_MAX;
        match full {
            true => self.write(run, sorted),
            false => Ok(()),
        }
    }

    /// Writes the pending rows, if any, as one row group.
    fn write(&mut self, run: &[Arc<RowGroupEntry>], sorted: bool) -> Result<()> {
        let rows = self.pending.rows();
        if rows == 0 {
            return Ok(());
        }
        let (buffered, merged) = (&mut self.pending, &mut self.merged);
        let layout = Arc::clone(&merged.layout);
        let column_count = layout.columns.len();
        let order = buffered.sort(&layout.sort_key)?;
        let identity = RowGroupIdentity {
            table: merged.table,
            slice: merged.plan.slice,
            id: RowGroupId(merged.store.next_file_id()),
        };
        make_room(&merged.store, run, rows as u64);
        let row_ids = buffered.take_unplaced(column_count);
        merged.remember(run, &row_ids, order.places.as_deref());
        buffered.give_back(row_ids);
        let file_bytes = merged.store.row_groups().write_columns(
            &identity,
            &layout,
            rows as u64,
            &mut self.precedents,
            &mut |index| buffered.take_column(index, &order),
        )?;
        buffered.clear();
        merged.added.push(RowGroupRecord {
            table: identity.table,
            slice: identity.slice,
            id: identity.id,
            rows: rows as u64,
            file_bytes,
            sorted: sorted && layout.sort_key != SortKey::None,
            key_range: order::key_range(&layout.sort_key, &layout, &order.ends)?,
            mixed: false,
            resident: None,
            extends: None,
        });
        self.progress.rows.fetch_add(rows as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Rows of a row group as they are read, while the merge may go on.
struct Reader<'a> {
    scan: RowGroupScan,
    progress: &'a MergeProgress,
}

impl Reader<'_> {
    fn next_zone(&mut self) -> Result<Option<VectorBatch>> {
        self.wait_for_turn()?;
        self.scan.next_vectors()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.wait_for_turn()?;
        self.scan.next_batch()
    }

    /// Waits while the merge is paused. `Canceled` once it is to stop.
    fn wait_for_turn(&self) -> Result<()> {
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        while is_set(&self.progress.pause) && !is_set(&self.progress.stop) {
            std::thread::park_timeout(PAUSE);
        }
        match is_set(&self.progress.stop) {
            true => Err(Error::Canceled),
            false => Ok(()),
        }
    }
}

impl Merged {
    /// Counts the rows written.
    pub fn rows(&self) -> u64 {
        self.added.iter().map(|record| record.rows).sum()
    }

    /// Gives the row groups written.
    pub fn row_groups(&self) -> &[RowGroupRecord] {
        &self.added
    }

    /// Remembers where rows go: `row_ids` are those of the next row group as they came, `places` where each goes
    /// there, which is where it came if absent. Neighbours are written one after the other.
    fn remember(&mut self, run: &[Arc<RowGroupEntry>], row_ids: &[i64], places: Option<&[u32]>) {
        let Some(kept) = &mut self.places else {
            return;
        };
        let first = self.added.iter().map(|record| record.rows).sum::<u64>() as u32;
        // By ordinal while they are filled: a look-up per row costs more than all else here.
        let taken = run.iter().map(|group| kept.remove(&group.record.id));
        let mut taken: Vec<Vec<u32>> = taken.map(Option::unwrap_or_default).collect();
        let mut note = |id: &i64, place: u32| {
            let (ordinal, offset) = ((id >> 32) as usize, (id & 0xFFFF_FFFF) as usize);
            if let Some(row) = taken.get_mut(ordinal).and_then(|rows| rows.get_mut(offset)) {
                *row = first + place;
            }
        };
        match places {
            Some(places) => row_ids
                .iter()
                .zip(places)
                .for_each(|(id, place)| note(id, *place)),
            None => row_ids
                .iter()
                .zip(0..)
                .for_each(|(id, place)| note(id, place)),
        }
        let ids = run.iter().map(|group| group.record.id);
        kept.extend(ids.zip(taken));
    }

    /// Makes the new row groups visible in place of the old ones, without rows deleted meanwhile.
    /// `Conflict` if an old row group is gone (TRUNCATE, DROP, another vacuum), or rows were deleted
    /// and the merge did not reckon with that.
    pub fn publish(mut self) -> Result<CommitVersion> {
        for _ in 0..PUBLISH_TRIES_MAX {
            let commit = self.commit_on(&self.store.read_view())?;
            let masks = commit.masks.clone();
            match self.store.commit(commit) {
                Ok(version) => {
                    self.added.clear();
                    return Ok(version);
                }
                Err(error) => {
                    self.store.discard(&[], &masks);
                    if !matches!(error, Error::Conflict { .. }) {
                        return Err(error);
                    }
                }
            }
        }
        Err(self.conflict())
    }

    fn conflict(&self) -> Error {
        Error::Conflict {
            table: self.table.0,
        }
    }

    /// Makes the commit as of `view`, with masks for rows that `view` no longer has.
    fn commit_on(&self, view: &ReadView) -> Result<Commit> {
        let table = view.table(self.table).map_err(|_| self.conflict())?;
        let current: HashMap<RowGroupId, &Arc<RowGroupEntry>> = table
            .on_slice(self.plan.slice)
            .map(|group| (group.record.id, group))
            .collect();
        let mut rows = RowsToDelete::new();
        let mut added = self.added.iter().map(|record| record.id);
        let mut rewrites = Vec::new();
        for (run, added_count) in self.plan.runs.iter().zip(&self.added_by_run) {
            let mut removed = Vec::with_capacity(run.len());
            for group in run {
                let now = current
                    .get(&group.record.id)
                    .ok_or_else(|| self.conflict())?;
                if now.mask_version != group.mask_version {
                    self.delete_too(group, now, &mut rows)?;
                }
                removed.push((group.record.id, now.mask_version));
            }
            rewrites.push(Rewrite {
                table: self.table,
                slice: self.plan.slice,
                removed,
                added: added.by_ref().take(*added_count).collect(),
                sort_key: self.layout.sort_key.clone(),
                order: self.plan.order,
            });
        }
        let removed = rewrites.iter().flat_map(|rewrite| &rewrite.removed);
        Ok(Commit {
            removed: removed.map(|(id, _)| (self.table, *id)).collect(),
            added: self.added.clone(),
            masks: self.masks(rows)?,
            rewrites,
            base: view.version,
            ..Commit::default()
        })
    }

    /// Finds the new places of rows that were deleted from an old row group since the merge read it.
    fn delete_too(
        &self,
        then: &RowGroupEntry,
        now: &RowGroupEntry,
        rows: &mut RowsToDelete,
    ) -> Result<()> {
        let places = self.places.as_ref().ok_or_else(|| self.conflict())?;
        let places = places.get(&then.record.id).ok_or_else(|| self.conflict())?;
        let mut fresh = now.deleted.as_deref().cloned().unwrap_or_default();
        if let Some(deleted) = &then.deleted {
            fresh -= &**deleted;
        }
        for offset in fresh {
            let lost = || Error::Internal(format!("a vacuum lost row {offset}"));
            let mut place = *places.get(offset as usize).ok_or_else(lost)?;
            let mut groups = self.added.iter();
            let group = loop {
                let group = groups.next().ok_or_else(lost)?;
                match place.checked_sub(group.rows as u32) {
                    Some(further) => place = further,
                    None => break group,
                }
            };
            rows.entry(group.id).or_default().insert(place);
        }
        Ok(())
    }

    fn masks(&self, rows: RowsToDelete) -> Result<Vec<DeleteMaskRecord>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let groups = self.added.iter().map(|record| {
            Arc::new(RowGroupEntry {
                record: record.clone(),
                deleted: None,
                mask_version: 0,
                mask_in_log: false,
            })
        });
        let version = TableVersion {
            id: self.table,
            layout: Arc::clone(&self.layout),
            row_groups: Arc::new(groups.collect()),
            moves: Arc::default(),
            derived: Default::default(),
        };
        Ok(write_masks(&self.store, &version, rows)?.0)
    }
}

impl Drop for Merged {
    fn drop(&mut self) {
        self.store.discard(&self.added, &[]);
    }
}

/// Counts the rows of a row group that are not deleted.
pub fn live_rows(group: &RowGroupEntry) -> u64 {
    group.record.rows - group.deleted.as_ref().map_or(0, |deleted| deleted.len())
}

/// Gives the layout of what is buffered: whole rows, and where they come from.
fn with_row_id(layout: &TableLayout) -> TableLayout {
    let mut columns = layout.columns.clone();
    columns.push(ColumnLayout {
        id: u32::MAX,
        name: ROW_ID.to_owned(),
        ty: ColumnType::Int64,
        encoding: EncodingName::Auto,
        nullable: false,
    });
    TableLayout {
        columns,
        sort_key: layout.sort_key.clone(),
    }
}

fn all_zones(group: &RowGroupEntry) -> Range<usize> {
    0..zone_count(group.record.rows)
}
