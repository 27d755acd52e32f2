//! Logical -> physical: the engine's session state, our optimizer rules, EXPLAIN.

pub mod context;
pub mod explain;
pub mod rule;

use crate::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// Optimizes a bound plan and makes it physical, with join order by cost and uncorrelated scalar subqueries run
/// first (`InitPlan`: they are executed here, checked for at most one row, and become constants).
pub async fn plan(state: &SessionState, bound: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let _ = (state, bound);
    todo!("planner")
}
