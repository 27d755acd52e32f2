//! How much of a table is unsorted or deleted, and what it takes on disk: what VACUUM decides by, and what the
//! system tables show. Reads no file but for [`interleaved_skew`].

use crate::error::Result;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::{RowGroupEntry, TableVersion};
use blueshift_storage::table::merge::live_rows;
use blueshift_storage::{SliceId, SortKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The bytes of a block as Redshift counts them.
pub const BLOCK_BYTES: u64 = 1 << 20;

/// What a table version holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Figures {
    /// Rows stored, deleted ones included.
    pub rows: u64,
    /// Of those, deleted rows that wait for a vacuum.
    pub rows_deleted: u64,
    /// Of the rows that are not deleted, those in the sorted region; all of them without a sort key.
    pub rows_sorted: u64,
    /// Blocks of 1 MB on disk, each row group rounded up.
    pub blocks: u64,
    /// Whether the table has a sort key.
    pub has_sort_key: bool,
}

impl Figures {
    /// Counts.
    pub fn of(version: &TableVersion) -> Self {
        Self::of_groups(version, version.row_groups.iter())
    }

    /// Counts what lies on one slice.
    pub fn of_slice(version: &TableVersion, slice: SliceId) -> Self {
        Self::of_groups(version, version.on_slice(slice))
    }

    fn of_groups<'a>(
        version: &TableVersion,
        groups: impl Iterator<Item = &'a Arc<RowGroupEntry>>,
    ) -> Self {
        let mut figures = Self {
            has_sort_key: version.layout.sort_key != SortKey::None,
            ..Self::default()
        };
        for group in groups {
            figures.add(group);
        }
        figures
    }

    fn add(&mut self, group: &RowGroupEntry) {
        let live = live_rows(group);
        self.rows += group.record.rows;
        self.rows_deleted += group.record.rows - live;
        if group.record.sorted || !self.has_sort_key {
            self.rows_sorted += live;
        }
        self.blocks += group.record.file_bytes.div_ceil(BLOCK_BYTES);
    }

    /// Counts rows that are not deleted.
    pub fn rows_live(&self) -> u64 {
        self.rows - self.rows_deleted
    }

    /// Gives the share of rows that are sorted; 100 for an empty table.
    pub fn sorted_percent(&self) -> f64 {
        percent(self.rows_sorted, self.rows_live())
    }

    /// Gives `unsorted` of SVV_TABLE_INFO; `None` without a sort key.
    pub fn unsorted_percent(&self) -> Option<f64> {
        self.has_sort_key.then(|| 100.0 - self.sorted_percent())
    }

    /// Gives the share of stored rows that are not deleted; 100 for an empty table.
    pub fn live_percent(&self) -> f64 {
        percent(self.rows_live(), self.rows)
    }

    /// Estimates the blocks that deleted rows take.
    pub fn blocks_deleted(&self) -> u64 {
        let share = self.rows_deleted as f64 / self.rows.max(1) as f64;
        (self.blocks as f64 * share) as u64
    }
}

/// Estimates by how much a sort would speed up queries for a narrow range of the leading sort column, in percent: such
/// a query reads every row group whose keys overlap, and after a sort one per slice. `None` without a compound key.
pub fn sort_benefit_percent(version: &TableVersion) -> Option<f64> {
    let SortKey::Compound(_) = version.layout.sort_key else {
        return None;
    };
    let mut slices = BTreeMap::<u32, Vec<(i128, i128)>>::new();
    for group in version.row_groups.iter() {
        let range = group.record.key_range?;
        let ranges = slices.entry(group.record.slice.0).or_default();
        ranges.push((range.first, range.last));
    }
    let (mut groups, mut reads) = (0_u64, 0_u64);
    for ranges in slices.into_values() {
        reads += overlaps(&ranges);
        groups += ranges.len() as u64;
    }
    // Neighbours in order share a key at their ends at most; that is no disorder.
    let disorder = reads.saturating_sub(groups) as f64 / groups.max(1) as f64;
    Some(100.0 * disorder / (1.0 + disorder))
}

/// Tells how much wider zones are in a column of an interleaved key than the key makes them: the mean number of zones
/// of a slice that a value of the column may be in, divided by what it is when all columns of the key share the zones
/// evenly; at least 1. `None` without a zone or without an interleaved key. Reads footers.
///
/// Of `n` zones and `k` columns each column tells `n^(1/k)` stretches of values apart, so that a value may be in
/// `n^(1 - 1/k)` zones; a column of `d` distinct values tells no more than `d` apart.
pub fn interleaved_skew(
    store: &Store,
    version: &TableVersion,
    column_index: usize,
) -> Result<Option<f64>> {
    let SortKey::Interleaved(key) = &version.layout.sort_key else {
        return Ok(None);
    };
    let Some(column) = version.layout.columns.get(column_index) else {
        return Ok(None);
    };
    let mut slices = BTreeMap::<u32, Vec<(i128, i128)>>::new();
    for group in version.row_groups.iter() {
        let open = store.row_groups().open(&group.record)?;
        let footer = open.column(column.id);
        let footer = footer.and_then(|index| open.footer.columns.get(index));
        let zones = footer.into_iter().flat_map(|column| &column.zones);
        let ranges = slices.entry(group.record.slice.0).or_default();
        ranges.extend(zones.filter_map(|zone| zone.range));
    }
    let distinct = version
        .column_statistics(store, column_index)?
        .distinct
        .max(1) as f64;
    let (mut seen, mut due) = (0.0, 0.0);
    for ranges in slices.values() {
        let zones = ranges.len() as f64;
        let apart = zones.powf(1.0 / key.len().max(1) as f64).min(distinct);
        seen += overlaps(ranges) as f64;
        due += zones * (zones / apart).max(1.0);
    }
    Ok((due > 0.0).then(|| (seen / due).max(1.0)))
}

/// Counts the pairs of ranges that overlap, each range with itself included, and each pair from both sides.
fn overlaps(ranges: &[(i128, i128)]) -> u64 {
    let sorted_by = |end: fn(&(i128, i128)) -> i128| {
        let mut ends: Vec<i128> = ranges.iter().map(end).collect();
        ends.sort_unstable();
        ends
    };
    let (firsts, lasts) = (sorted_by(|range| range.0), sorted_by(|range| range.1));
    let overlapping = ranges.iter().map(|(first, last)| {
        let begun = firsts.partition_point(|other| other <= last);
        let ended = lasts.partition_point(|other| other < first);
        (begun - ended.min(begun)) as u64
    });
    overlapping.sum()
}

fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 100.0,
        whole => part as f64 / whole as f64 * 100.0,
    }
}
