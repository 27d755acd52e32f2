//! The row groups and delete masks of one table that one read view sees.

use super::derived::Derived;
use crate::layout::name;
use crate::row_group::RowGroupRecord;
use crate::schema::{RowGroupId, SliceId, TableId, TableLayout};
use crate::statistics::ColumnStatistics;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A row group as a read view sees it.
#[derive(Clone, Debug)]
pub struct RowGroupEntry {
    /// What the commit record says.
    pub record: RowGroupRecord,
    /// Rows deleted, if any: offsets within the row group.
    pub deleted: Option<Arc<roaring::RoaringBitmap>>,
    /// The version of the mask; 0 without one.
    pub mask_version: u64,
    /// Whether the mask rides in the log, and so has no file.
    pub mask_in_log: bool,
}

impl RowGroupEntry {
    /// Gives the file of the mask, if there is one.
    pub(crate) fn mask_path(&self) -> Option<PathBuf> {
        let record = &self.record;
        let has_file = self.mask_version != 0 && !self.mask_in_log;
        has_file.then(|| name::mask(record.slice, record.table, record.id, self.mask_version))
    }
}

/// A table as one read view sees it. Cheap to clone behind its `Arc`.
#[derive(Clone, Debug)]
pub struct TableVersion {
    /// The table.
    pub id: TableId,
    /// Its columns and sort key.
    pub layout: Arc<TableLayout>,
    /// Its row groups: the sorted region first, then the unsorted in order of commit.
    pub row_groups: Arc<Vec<Arc<RowGroupEntry>>>,
    /// What VACUUM wrote again, the last [`MOVES_MAX`] times: by it a mark of the table is told from row groups that
    /// came later, see [`crate::table::delta`].
    pub moves: Arc<Vec<Moved>>,
    /// What readers found out about it.
    pub derived: Derived,
}

/// Moves a table remembers; a mark from before that tells nothing any more.
pub const MOVES_MAX: usize = 256;

/// Row groups whose live rows, all of them, are in others since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Where the rows were: row group, its rows, the version of its delete mask then.
    pub from: Vec<(RowGroupId, u64, u64)>,
    /// Where they are: row group, its rows.
    pub to: Vec<(RowGroupId, u64)>,
}

impl TableVersion {
    /// Gives the row groups of one slice, in order.
    pub fn on_slice(&self, slice: SliceId) -> impl Iterator<Item = &Arc<RowGroupEntry>> {
        self.row_groups
            .iter()
            .filter(move |group| group.record.slice == slice)
    }

    /// Counts visible rows.
    pub fn row_count(&self) -> u64 {
        let deleted = |group: &RowGroupEntry| group.deleted.as_ref().map_or(0, |mask| mask.len());
        self.row_groups
            .iter()
            .map(|group| group.record.rows - deleted(group))
            .sum()
    }

    /// Merges the statistics of one column over all row groups, from their footers. Footers are
    /// cached, but merging costs about 4 KB of reads per row group: keep the result.
    pub fn column_statistics(
        &self,
        store: &crate::store::Store,
        column_index: usize,
    ) -> crate::Result<ColumnStatistics> {
        let column = self.layout.columns.get(column_index).ok_or_else(|| {
            let table = self.id.0;
            crate::Error::Internal(format!(
                "table {table} has no column at index {column_index}"
            ))
        })?;
        store.merged_statistics(self, column.id)
    }
}
