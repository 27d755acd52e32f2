//! Sinks for INSERT, UPDATE, DELETE, CREATE TABLE AS: rows to their slices, durable but not visible.

use crate::distribution::Distribution;
use crate::error::Result;
use crate::node::Node;
use blueshift_storage::row_group::RowGroupRecord;
use blueshift_storage::store::DeleteMaskRecord;
use blueshift_storage::table::version::TableVersion;
use blueshift_storage::{TableId, TableLayout};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

/// Where rows go.
#[derive(Clone)]
pub struct WriteTarget {
    /// The table.
    pub table: TableId,
    /// Its columns and sort key.
    pub layout: Arc<TableLayout>,
    /// Where rows go.
    pub distribution: Distribution,
    /// Slices of the cluster.
    pub slice_count: u32,
    /// For EVEN: the slice of the first chunk, so that small inserts spread.
    pub first_slice: u32,
    /// Identity columns that the writer must fill: index in the table and where numbers come from.
    pub identities: Vec<(usize, Arc<IdentityCounter>)>,
}

/// Hands out the values of an identity column; shared by all statements on the table.
#[derive(Debug)]
pub struct IdentityCounter {
    /// The next value to give.
    pub next: AtomicI64,
    /// The difference between values.
    pub step: i64,
}

/// What a write made durable.
#[derive(Debug, Default)]
pub struct Written {
    /// For the commit record.
    pub row_groups: Vec<RowGroupRecord>,
    /// Rows written.
    pub rows: u64,
}

/// Runs `plan` (whole rows in table order, any number of partitions) and writes its rows to their slices, all
/// partitions at once. On an error or when dropped, everything written is discarded.
pub async fn insert(
    node: &Arc<Node>,
    target: &WriteTarget,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<Written> {
    let _ = (node, target, plan, task);
    todo!("exec")
}

/// Runs `plan` (one `Int64` column of row ids, see `storage::table::scan::ROW_ID`) and marks those rows of
/// `version` deleted. Gives the masks and the rows deleted.
pub async fn delete(
    node: &Arc<Node>,
    version: &Arc<TableVersion>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<(Vec<DeleteMaskRecord>, u64)> {
    let _ = (node, version, plan, task);
    todo!("exec")
}

/// Runs `plan` (row id first, then the whole new row) and does both. A row id that comes twice changes once (the
/// last one wins).
pub async fn update(
    node: &Arc<Node>,
    target: &WriteTarget,
    version: &Arc<TableVersion>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<(Written, Vec<DeleteMaskRecord>)> {
    let _ = (node, target, version, plan, task);
    todo!("exec")
}
