//! Statistics of whole columns, merged from the footers once per table version.

use super::Store;
use super::version::{RowGroupEntry, TableVersion};
use crate::error::Result;
use crate::row_group::RowGroupRecord;
use crate::statistics::{ColumnSketch, ColumnStatistics};
use quick_cache::sync::Cache;
use std::sync::{Arc, Weak};

/// Columns whose merged statistics are kept.
const COLUMNS_MAX: usize = 4_096;

/// Statistics by table and column, each with the list of row groups it was merged from.
#[derive(Debug)]
pub(super) struct MergedStatistics {
    columns: Cache<(u64, u32), Merged>,
}

#[derive(Clone, Debug)]
struct Merged {
    of: Weak<Vec<Arc<RowGroupEntry>>>,
    statistics: ColumnStatistics,
}

impl Default for MergedStatistics {
    fn default() -> Self {
        Self {
            columns: Cache::new(COLUMNS_MAX),
        }
    }
}

impl Store {
    /// Merges the statistics of a column over all row groups of `table`, or gives what an earlier
    /// call merged from the same row groups.
    pub(crate) fn merged_statistics(
        &self,
        table: &TableVersion,
        column_id: u32,
    ) -> Result<ColumnStatistics> {
        let key = (table.id.0, column_id);
        if let Some(merged) = self.merged.columns.get(&key)
            && std::ptr::eq(merged.of.as_ptr(), Arc::as_ptr(&table.row_groups))
        {
            return Ok(merged.statistics);
        }
        let records = table.row_groups.iter().map(|group| &group.record);
        let statistics = self.merge(records, column_id)?;
        let of = Arc::downgrade(&table.row_groups);
        self.merged.columns.insert(
            key,
            Merged {
                of,
                statistics: statistics.clone(),
            },
        );
        Ok(statistics)
    }

    fn merge<'a>(
        &self,
        records: impl Iterator<Item = &'a RowGroupRecord>,
        column_id: u32,
    ) -> Result<ColumnStatistics> {
        let mut merged: Option<ColumnSketch> = None;
        for record in records {
            let sketch = self.row_groups().column_statistics(record, column_id)?;
            match &mut merged {
                Some(merged) => merged.merge(&sketch),
                None => merged = Some(sketch),
            }
        }
        Ok(merged.map(|merged| merged.statistics()).unwrap_or_default())
    }
}
