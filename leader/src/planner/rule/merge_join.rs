//! Joins by sorting both sides, where a hash table of one would not fit into memory: sorts spill, hash tables do not.
//!
//! [`super::build_side`] asks for it where the table is expected to be too large, and everywhere when a statement is
//! planned again that ran out of memory with hash joins.

use crate::planner::estimate::{Estimate, physical};
use arrow::compute::SortOptions;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use std::sync::Arc;

/// A hash table takes so many times what its rows do, about.
const TABLE_FACTOR: f64 = 2.0;

/// Gives the join by sorting that stands for a hash join whose table would take more than `bytes_max`; `None` if the
/// table fits, and for joins that cannot be made so: NOT IN, which must see all of its other side, and joins without
/// keys.
pub(super) fn instead_of(
    join: &HashJoinExec,
    bytes_max: u64,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if bytes_max == u64::MAX || join.null_aware || join.on().is_empty() {
        return Ok(None);
    }
    if table_bytes(join) <= bytes_max as f64 && bytes_max > 0 {
        return Ok(None);
    }
    let merged = SortMergeJoinExec::try_new(
        Arc::clone(join.left()),
        Arc::clone(join.right()),
        join.on().to_vec(),
        join.filter().cloned(),
        *join.join_type(),
        vec![SortOptions::default(); join.on().len()],
        join.null_equality(),
    )?;
    let merged: Arc<dyn ExecutionPlan> = Arc::new(merged);
    let Some(projection) = &join.projection else {
        return Ok(Some(merged));
    };
    let schema = merged.schema();
    let columns = projection.iter().map(|index| {
        let field = schema.field(*index);
        ProjectionExpr {
            expr: Arc::new(Column::new(field.name(), *index)),
            alias: field.name().clone(),
        }
    });
    let columns: Vec<_> = columns.collect();
    Ok(Some(Arc::new(ProjectionExec::try_new(columns, merged)?)))
}

/// Tells what the hash table of the smaller side takes, about.
fn table_bytes(join: &HashJoinExec) -> f64 {
    let bytes = |side: &Arc<dyn ExecutionPlan>| {
        let estimate: Estimate = physical::estimate(side.as_ref());
        estimate.rows * estimate.width()
    };
    let left = bytes(join.left());
    let built = match join.join_type().supports_swap() {
        true => left.min(bytes(join.right())),
        false => left,
    };
    built * TABLE_FACTOR
}
