//! Sinks for INSERT, UPDATE, DELETE, CREATE TABLE AS: rows to their slices, durable but not visible.
//!
//! Every partition of the plan runs as a task of its own on the compute runtime. The statement's future owns
//! the tasks and the writers behind them: when it is dropped they end, and what they wrote is never named.

use crate::distribution::Distribution;
use crate::error::{Error, Result};
use crate::node::Node;
use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::Int64Type;
use blueshift_storage::row_group::RowGroupRecord;
use blueshift_storage::store::DeleteMaskRecord;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::table::delete::{RowsToDelete, write_masks};
use blueshift_storage::{TableId, TableLayout};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use std::future::Future;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

mod route;

use route::column;
pub(crate) use route::{Router, joined};

/// Arrow memory of a batch that surely rides in the commit record, and is sorted while the client waits.
const SMALL_BYTES: usize = 128 << 10;

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
    /// Whether rows that are few may ride in the commit record, without files.
    pub keeps_small: bool,
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
    let router = Arc::new(Router::on(node, target));
    let sink = Arc::clone(&router);
    for_each_batch(node, &plan, &task, move |batch| {
        let router = Arc::clone(&sink);
        async move { router.write(batch).await }
    })
    .await?;
    router.finish().await
}

/// Writes a batch of whole rows in table order without a plan. `None` if it is too large to ride in the commit
/// record, or its target keeps nothing there: nothing has happened then.
pub fn insert_small(
    node: &Arc<Node>,
    target: &WriteTarget,
    batch: &RecordBatch,
) -> Result<Option<Written>> {
    if !target.keeps_small || batch.get_array_memory_size() > SMALL_BYTES {
        return Ok(None);
    }
    let router = Router::on(node, target);
    router.write_small(batch.clone()).map(Some)
}

/// Writes a batch of few whole rows in table order, which ride in the commit record.
pub fn append(node: &Arc<Node>, target: &WriteTarget, batch: RecordBatch) -> Result<Written> {
    Router::on(node, target).write_small(batch)
}

/// Runs `plan` (one `Int64` column of row ids, see `storage::table::scan::ROW_ID`) and marks those rows of
/// `version` deleted. Gives the masks and the rows deleted.
pub async fn delete(
    node: &Arc<Node>,
    version: &Arc<TableVersion>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    is_strict: bool,
) -> Result<(Vec<DeleteMaskRecord>, u64)> {
    let marks = Arc::new(Marks::new(version, is_strict));
    let sink = Arc::clone(&marks);
    for_each_batch(node, &plan, &task, move |batch| {
        let marked = sink.mark(&batch).map(drop);
        async move { marked }
    })
    .await?;
    marks.write(node).await
}

/// Runs `plan` (row id first, then the whole new row) and does both. A row id that comes several times changes
/// once; which of its new rows wins is not defined, as the engine's order is not. With `is_strict` that is an error.
pub async fn update(
    node: &Arc<Node>,
    target: &WriteTarget,
    version: &Arc<TableVersion>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    is_strict: bool,
) -> Result<(Written, Vec<DeleteMaskRecord>)> {
    let marks = Arc::new(Marks::new(version, is_strict));
    // An updated row keeps its identity: only new rows are numbered.
    let target = WriteTarget {
        identities: Vec::new(),
        ..target.clone()
    };
    let router = Arc::new(Router::on(node, &target));
    let (rows, sink) = (Arc::clone(&router), Arc::clone(&marks));
    for_each_batch(node, &plan, &task, move |batch| {
        let changed = changed_rows(&sink, &batch);
        let router = Arc::clone(&rows);
        async move { router.write(changed?).await }
    })
    .await?;
    let written = router.finish().await?;
    let masks = match marks.write(node).await {
        Ok((masks, _)) => masks,
        Err(error) => {
            // The new rows will never be named: their files go now.
            node.store.discard(&written.row_groups, &[]);
            return Err(error);
        }
    };
    Ok((written, masks))
}

/// Marks the old rows of an update and gives the new ones, each once.
fn changed_rows(marks: &Marks, batch: &RecordBatch) -> Result<RecordBatch> {
    let fresh = marks.mark(batch)?;
    let columns: Vec<usize> = (1..batch.num_columns()).collect();
    let rows = batch.project(&columns)?;
    match fresh.len() == rows.num_rows() {
        true => Ok(rows),
        false => Ok(take_record_batch(&rows, &UInt32Array::from(fresh))?),
    }
}

/// Runs all partitions of a plan, each in a task of its own, and hands every batch to `sink`. The first error
/// ends them all, and so does dropping the future.
async fn for_each_batch<S, F>(
    node: &Arc<Node>,
    plan: &Arc<dyn ExecutionPlan>,
    task: &Arc<TaskContext>,
    sink: S,
) -> Result<()>
where
    S: Fn(RecordBatch) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let mut tasks = JoinSet::new();
    for partition in 0..plan.output_partitioning().partition_count() {
        let (plan, task, sink) = (Arc::clone(plan), Arc::clone(task), sink.clone());
        let run = async move {
            let mut batches = plan.execute(partition, task)?;
            while let Some(batch) = batches.next().await {
                sink(batch?).await?;
            }
            Ok::<(), Error>(())
        };
        tasks.spawn_on(run, &node.resources.compute);
    }
    while let Some(ended) = tasks.join_next().await {
        joined(ended)?;
    }
    Ok(())
}

/// Rows of a table version to delete, gathered by many tasks.
struct Marks {
    version: Arc<TableVersion>,
    rows: Mutex<RowsToDelete>,
    /// A row named twice is an error.
    is_strict: bool,
}

impl Marks {
    fn new(version: &Arc<TableVersion>, is_strict: bool) -> Self {
        Self {
            is_strict,
            version: Arc::clone(version),
            rows: Mutex::default(),
        }
    }

    /// Marks the rows whose ids are the first column; gives the places in the batch of those not marked before.
    fn mark(&self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let ids = column(batch, 0)?;
        let Some(ids) = ids
            .as_primitive_opt::<Int64Type>()
            .filter(|ids| ids.null_count() == 0)
        else {
            return Err(Error::Internal("row ids must be numbers".to_owned()));
        };
        let mut fresh = Vec::with_capacity(ids.len());
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, &id) in (0_u32..).zip(ids.values()) {
            // `ordinal << 32 | row offset`.
            let (ordinal, offset) = ((id >> 32) as usize, id as u32);
            let Some(group) = self.version.row_groups.get(ordinal) else {
                return Err(Error::Internal(format!("row id {id} names no row group")));
            };
            if rows.entry(group.record.id).or_default().insert(offset) {
                fresh.push(place);
            } else if self.is_strict {
                return Err(Error::Sql(
                    blueshift_sql::Error::new(
                        blueshift_sql::SqlState::CARDINALITY_VIOLATION,
                        "Found multiple matches to update the same tuple.",
                    )
                    .with_hint(
                        "Make the rows of the source unique by the columns of the condition.",
                    ),
                ));
            }
        }
        Ok(fresh)
    }

    /// Makes the masks durable.
    async fn write(&self, node: &Arc<Node>) -> Result<(Vec<DeleteMaskRecord>, u64)> {
        let rows = std::mem::take(&mut *self.rows.lock().unwrap_or_else(PoisonError::into_inner));
        let (store, version) = (Arc::clone(&node.store), Arc::clone(&self.version));
        let mut tasks = JoinSet::new();
        tasks.spawn_blocking_on(
            move || Ok(write_masks(&store, &version, rows)?),
            &node.resources.compute,
        );
        match tasks.join_next().await {
            Some(ended) => joined(ended),
            None => Err(Error::Canceled),
        }
    }
}
