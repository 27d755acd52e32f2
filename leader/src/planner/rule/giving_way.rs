//! Joins that make many rows of few give way to others, and can be stopped.
//!
//! The engine lets a task give way where it reads: at the leaves. A join of a hundred thousand rows with themselves
//! reads once and then makes rows for hours, and nobody else gets its thread, nor does a cancel reach it. So each join
//! counts as a place to give way too. And one whose condition lets no row through comes back with nothing for as long:
//! its condition looks whether the statement must stop, and has the runtime run others on another thread meanwhile.

use crate::history::control::StopSign;
use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use blueshift_compute::operator::spilling_join::SpillingJoinExec;
use blueshift_sql::SqlState;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
    PiecewiseMergeJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;
use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Lets the joins of a plan give way, and stop by the sign.
pub(in crate::planner) fn give_way(
    plan: Arc<dyn ExecutionPlan>,
    stop: Option<&StopSign>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let made = plan.transform_up(|node| {
        if !makes_many(&node) {
            return Ok(Transformed::no(node));
        }
        let stoppable = match stop {
            Some(stop) => stoppable(&node, stop)?,
            None => None,
        };
        let node = stoppable.unwrap_or(node);
        Ok(Transformed::yes(
            Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>
        ))
    });
    Ok(made?.data)
}

/// Tells whether a node may make many rows of few.
fn makes_many(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<HashJoinExec>()
        || node.is::<SpillingJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<PiecewiseMergeJoinExec>()
        || node.is::<UnnestExec>()
}

/// Makes the condition of a join look for the sign; `None` if it has none beside its keys.
fn stoppable(
    node: &Arc<dyn ExecutionPlan>,
    stop: &StopSign,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let looking = |filter: &JoinFilter| {
        let condition = StoppableExpr {
            inner: Arc::clone(filter.expression()),
            stop: stop.clone(),
        };
        let columns = filter.column_indices().to_vec();
        JoinFilter::new(Arc::new(condition), columns, Arc::clone(filter.schema()))
    };
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
        && let Some(filter) = join.filter()
    {
        let builder = NestedLoopJoinExecBuilder::from(join).with_filter(Some(looking(filter)));
        return Ok(Some(Arc::new(builder.build()?)));
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>()
        && let Some(filter) = join.filter()
    {
        let builder = join.builder().with_filter(Some(looking(filter)));
        return Ok(Some(builder.build_exec()?));
    }
    if let Some(join) = node.downcast_ref::<SpillingJoinExec>()
        && let Some(filter) = join.join().filter()
    {
        return Ok(Some(Arc::new(join.with_filter(looking(filter))?)));
    }
    Ok(None)
}

/// How long a condition keeps its thread from others.
const KEPT: Duration = Duration::from_millis(50);

/// What another thread needs to take over.
const HANDED_OVER: Duration = Duration::from_micros(100);

thread_local! {
    /// Since when this thread has belonged to conditions.
    static KEPT_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Gives this thread's place in the runtime to another from time to time; this one goes on, and the system shares the
/// cores between them.
fn let_others_run() {
    let now = Instant::now();
    let since = KEPT_SINCE.get();
    if since.is_some_and(|since| now - since < KEPT) {
        return;
    }
    KEPT_SINCE.set(Some(now));
    let is_pool = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if since.is_some() && is_pool {
        tokio::task::block_in_place(|| std::thread::sleep(HANDED_OVER));
    }
}

/// An expression that fails once the statement must stop.
#[derive(Clone, Debug)]
struct StoppableExpr {
    inner: Arc<dyn PhysicalExpr>,
    stop: StopSign,
}

impl PartialEq for StoppableExpr {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for StoppableExpr {}

impl Hash for StoppableExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for StoppableExpr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

impl PhysicalExpr for StoppableExpr {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.is_up() {
            // The session says it in its own words.
            let error =
                crate::Error::new(SqlState::QUERY_CANCELED, "Query canceled on user's request");
            return Err(DataFusionError::External(Box::new(error)));
        }
        let_others_run();
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [inner] = children.as_slice() else {
            return datafusion::common::internal_err!("a condition is one expression");
        };
        Ok(Arc::new(Self {
            inner: Arc::clone(inner),
            stop: self.stop.clone(),
        }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(formatter)
    }
}
