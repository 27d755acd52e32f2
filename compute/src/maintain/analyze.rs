//! ANALYZE: what is known of columns, from the sketches every write leaves beside its rows.
//!
//! The sketches look at every row, so nothing is sampled here. They are merged over all row groups and kept, where
//! the planner finds them at no cost. What was deleted still counts in them until a vacuum writes its row group again.

use super::blocking;
use crate::error::Result;
use crate::node::Node;
use crate::scan::ColumnValues;
use arrow::array::{Array, UInt64Array};
use arrow::compute::take;
use blueshift_storage::RowGroupId;
use blueshift_storage::statistics::ColumnStatistics;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::table::scan::{RowGroupScan, ScanRequest, ZONE_ROWS, zone_count};
use std::collections::HashMap;
use std::sync::Arc;

/// Merges the statistics of `columns` (indexes in the table), one each.
pub async fn gather(
    node: &Arc<Node>,
    version: &Arc<TableVersion>,
    columns: Vec<usize>,
) -> Result<Vec<ColumnStatistics>> {
    let (store, version) = (Arc::clone(&node.store), Arc::clone(version));
    blocking(node, move || {
        let merged = columns.into_iter();
        let merged = merged.map(|column| version.column_statistics(&store, column));
        merged.collect()
    })
    .await
}

/// Zones looked at, spread evenly over the table.
const ZONES_MAX: usize = 64;
/// Of the rows of a zone, every one at this distance is looked at.
const ROW_STEP: usize = 4;

/// Puts the values of a column that are not null on the number line; tells whether equal numbers are equal values.
pub type Numbers = fn(&dyn Array) -> (Vec<f64>, bool);

/// Learns from a sample how the values of `columns` (indexes in the table) are spread.
pub async fn learn(
    node: &Arc<Node>,
    version: &Arc<TableVersion>,
    columns: Vec<usize>,
    numbers: Numbers,
) -> Result<Vec<Option<ColumnValues>>> {
    let (store, version) = (Arc::clone(&node.store), Arc::clone(version));
    blocking(node, move || {
        let learned = columns.into_iter();
        let learned = learned.map(|column| learn_column(&store, &version, column, numbers));
        learned.collect()
    })
    .await
}

fn learn_column(
    store: &Arc<Store>,
    version: &TableVersion,
    column: usize,
    numbers: Numbers,
) -> blueshift_storage::Result<Option<ColumnValues>> {
    let groups = version.row_groups.iter();
    let zones = groups.flat_map(|group| {
        let zones = 0..zone_count(group.record.rows);
        zones.map(move |zone| (group, zone))
    });
    let step = zones.clone().count().div_ceil(ZONES_MAX).max(1);
    let request = Arc::new(ScanRequest {
        projection: vec![column],
        conjuncts: Vec::new(),
        row_ids: false,
        batch_rows: ZONE_ROWS,
    });
    let (mut sample, mut is_exact) = (Vec::new(), true);
    // The middle of each step: the first zones of row groups are not like the others.
    for (group, zone) in zones.skip(step / 2).step_by(step) {
        let layout = &version.layout;
        let zones = zone..zone + 1;
        let mut scan = RowGroupScan::new(store, layout, group, 0, zones, Arc::clone(&request))?;
        while let Some(batch) = scan.next_batch()? {
            let Some(values) = batch.columns().first() else {
                continue;
            };
            // A small sample is taken whole.
            let distance = if step == 1 { 1 } else { ROW_STEP };
            let rows = (0..values.len() as u64).step_by(distance);
            let picked = take(values, &UInt64Array::from_iter_values(rows), None)?;
            let (found, exact) = numbers(&picked);
            sample.extend(found);
            is_exact &= exact;
        }
    }
    Ok(ColumnValues::of(sample, is_exact))
}

/// Rows added and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows added.
    pub added: u64,
    /// Rows deleted.
    pub deleted: u64,
}

impl Changes {
    /// All of them.
    pub fn rows(self) -> u64 {
        self.added + self.deleted
    }
}

/// What a table was like when it was last analyzed; tells later how many rows changed.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Rows and deleted rows by row group; one of small inserts grows under its id.
    row_groups: HashMap<RowGroupId, (u64, u64)>,
    /// Changes that happened before the image was taken and still count.
    before: Changes,
}

impl Image {
    /// Takes the image of a table that was just analyzed.
    pub fn of(version: &TableVersion) -> Self {
        let groups = version.row_groups.iter();
        let deleted = groups.map(|group| {
            let count = group.deleted.as_ref().map_or(0, |mask| mask.len());
            (group.record.id, (group.record.rows, count))
        });
        Self {
            row_groups: deleted.collect(),
            before: Changes::default(),
        }
    }

    /// Gives back an image that was kept: row groups with their rows and deleted rows.
    pub fn of_parts(row_groups: &[(RowGroupId, u64, u64)], before: Changes) -> Self {
        let row_groups = row_groups.iter();
        Self {
            row_groups: row_groups
                .map(|(id, rows, deleted)| (*id, (*rows, *deleted)))
                .collect(),
            before,
        }
    }

    /// Gives the row groups to keep, in order of id.
    pub fn row_groups(&self) -> Vec<(RowGroupId, u64, u64)> {
        let groups = self.row_groups.iter();
        let mut groups: Vec<_> = groups
            .map(|(id, (rows, deleted))| (*id, *rows, *deleted))
            .collect();
        groups.sort_unstable();
        groups
    }

    /// Gives the changes before the image that still count.
    pub fn before(&self) -> Changes {
        self.before
    }

    /// Counts rows that were added and deleted since. Those that were added and deleted again count as added.
    pub fn changes(&self, version: &TableVersion) -> Changes {
        let mut changes = self.before;
        for group in version.row_groups.iter() {
            let deleted = group.deleted.as_ref().map_or(0, |mask| mask.len());
            match self.row_groups.get(&group.record.id) {
                Some((rows_before, deleted_before)) => {
                    changes.added += group.record.rows.saturating_sub(*rows_before);
                    changes.deleted += deleted.saturating_sub(*deleted_before);
                }
                None => changes.added += group.record.rows,
            }
        }
        changes
    }

    /// Counts rows that were added and deleted since, together.
    pub fn rows_changed(&self, version: &TableVersion) -> u64 {
        self.changes(version).rows()
    }

    /// Gives the image after a vacuum made `after` of `before`: it writes rows again but changes none.
    pub fn vacuumed(&self, before: &TableVersion, after: &TableVersion) -> Self {
        Self {
            before: self.changes(before),
            ..Self::of(after)
        }
    }
}
