//! Table scan: provider, execution, predicate -> zone-map filter.

use crate::distribution::Distribution;
use arrow_schema::SchemaRef;
use blueshift_storage::store::Store;
use blueshift_storage::table::version::TableVersion;
use std::sync::Arc;

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
    /// Columns that declared constraints promise to be unique together, for the planner.
    pub keys: Vec<Vec<usize>>,
}

impl std::fmt::Debug for StoredTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StoredTable").field("name", &self.name).finish_non_exhaustive()
    }
}
