//! ANALYZE: what is known of columns, from the sketches every write leaves beside its rows.
//!
//! The sketches look at every row, so nothing is sampled here. They are merged over all row groups and kept, where
//! the planner finds them at no cost. What was deleted still counts in them until a vacuum writes its row group again.

use super::blocking;
use crate::error::Result;
use crate::node::Node;
use blueshift_storage::RowGroupId;
use blueshift_storage::statistics::ColumnStatistics;
use blueshift_storage::store::version::TableVersion;
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

/// What a table was like when it was last analyzed; tells later how many rows changed.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Deleted rows by row group.
    row_groups: HashMap<RowGroupId, u64>,
    /// Changes that happened before the image was taken and still count.
    rows_changed_before: u64,
}

impl Image {
    /// Takes the image of a table that was just analyzed.
    pub fn of(version: &TableVersion) -> Self {
        let groups = version.row_groups.iter();
        let deleted = groups.map(|group| {
            let count = group.deleted.as_ref().map_or(0, |mask| mask.len());
            (group.record.id, count)
        });
        Self {
            row_groups: deleted.collect(),
            rows_changed_before: 0,
        }
    }

    /// Counts rows that were added and deleted since.
    pub fn rows_changed(&self, version: &TableVersion) -> u64 {
        let changed = version.row_groups.iter().map(|group| {
            let deleted = group.deleted.as_ref().map_or(0, |mask| mask.len());
            match self.row_groups.get(&group.record.id) {
                Some(before) => deleted.saturating_sub(*before),
                None => group.record.rows,
            }
        });
        self.rows_changed_before + changed.sum::<u64>()
    }

    /// Gives the image after a vacuum made `after` of `before`: it writes rows again but changes none.
    pub fn vacuumed(&self, before: &TableVersion, after: &TableVersion) -> Self {
        Self {
            rows_changed_before: self.rows_changed(before),
            ..Self::of(after)
        }
    }
}
