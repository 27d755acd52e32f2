//! Table scan: provider, execution, predicate -> zone-map filter.
//!
//! Partition `p` of a scan is slice `p`, so a table distributed by a key reports itself as hashed on it and a
//! join on two such keys needs no shuffle. Filters arrive through the engine's physical filter pushdown: the
//! ones known at planning go to storage when the scan starts, the ones joins and top-N make while running are
//! looked at between batches.

use crate::distribution::Distribution;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

mod mode;
mod exec;
mod order;
mod stream;
mod total;
mod translate;
mod domain;
mod filter;
mod statistics;
mod constant;
mod values;

pub use exec::SliceScanExec;
pub use mode::choose_scan_modes;
pub use values::ColumnValues;

/// A stored table as of a read view, for the planner. Implements `TableProvider`: exact row counts, extremes
/// and distinct counts as statistics; Hash partitioning on the distribution key if `placement_holds`; filters
/// pushed down; its sort order if it holds.
#[derive(Clone)]
pub struct StoredTable {
    /// `schema.table`, for EXPLAIN and errors.
    pub name: String,
    /// The data.
    pub store: Arc<Store>,
    /// The version read.
    pub version: Arc<TableVersion>,
    /// Column fields with the SQL type in their metadata.
    pub schema: SchemaRef,
    /// Where rows lie.
    pub distribution: Distribution,
    /// Whether the stored placement fingerprint equals today's; if not, Hash is not reported.
    pub placement_holds: bool,
    /// Slices of the cluster.
    pub slice_count: u32,
    /// Whether the hidden row id column is the last of the schema (for DELETE and UPDATE).
    pub row_ids: bool,
    /// Columns that declared constraints promise to be unique together, for the planner. Nothing enforces
    /// them, so the engine is not told: it would drop GROUP BY columns on the strength of them.
    pub keys: Vec<Vec<usize>>,
    /// What ANALYZE learned of the columns, in their order; shorter or empty where it did not look.
    pub values: Vec<Option<Arc<ColumnValues>>>,
}

impl StoredTable {
    /// Tells whether a column, by its index, may hold a text that ends with a blank.
    pub fn may_be_padded(&self, column: usize) -> bool {
        let statistics = self.version.column_statistics(&self.store, column);
        statistics.map_or(true, |statistics| statistics.padded)
    }

    /// Counts the rows. Fails if statistics cannot be read.
    pub fn row_count(&self) -> Result<usize> {
        statistics::row_count(self)
    }

    /// Gives what is known of a column, by its index in the schema; `None` for the row id. Fails if it cannot be read.
    pub fn column_statistics(&self, column: usize) -> Result<Option<&ColumnStatistics>> {
        statistics::of_column(self, column)
    }
}

impl std::fmt::Debug for StoredTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StoredTable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters stay above the scan here: they come down later as physical expressions, where what the scan
    /// tests exactly is decided once.
    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        Ok(Arc::new(SliceScanExec::new(
            Arc::new(self.clone()),
            projection,
        )?))
    }

    fn statistics(&self) -> Option<Statistics> {
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        statistics::table_statistics(self, &columns).ok()
    }
}

#[cfg(test)]
mod tests;
