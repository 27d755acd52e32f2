//! `ColocatedJoinMode`: a join of two tables placed by the join key runs slice by slice, and nothing moves.
//!
//! The engine would collect a small side into one shared table even then. Within one process that is right while the
//! side is small: one table is shared by all, and its filter on the other side is simple. A larger one is better kept
//! per slice, where all threads build at once.

use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use std::sync::Arc;

/// Rows of a build side up to which one shared table is better.
pub(super) const BUILD_ROWS_MIN: f64 = 20_000.0;

/// Tells for the left and the right side whether its rows lie by the join keys over this many partitions.
pub(super) fn sides_lie_right(join: &HashJoinExec, partitions: usize) -> (bool, bool) {
    let left: Vec<_> = join.on().iter().map(|(left, _)| Arc::clone(left)).collect();
    let right: Vec<_> = join
        .on()
        .iter()
        .map(|(_, right)| Arc::clone(right))
        .collect();
    let (l, r) = (
        places(join.left(), &left, partitions),
        places(join.right(), &right, partitions),
    );
    match (l, r) {
        // Both lie by keys, but each by another one.
        (Some(l), Some(r)) if l != r => (true, false),
        (l, r) => (l.is_some(), r.is_some()),
    }
}

/// Tells whether rows that meet in a join lie on one slice, by all its keys or by some.
pub(in crate::planner) fn lies_together(join: &HashJoinExec) -> bool {
    let mut left = join.left();
    while let Some(gathering) = left.downcast_ref::<CoalescePartitionsExec>() {
        left = gathering.input();
    }
    let count = left.output_partitioning().partition_count();
    let by = |plan: &Arc<dyn ExecutionPlan>, keys: Vec<Arc<dyn PhysicalExpr>>| {
        let placed_by = placed_by(plan, count)?;
        placed_by
            .iter()
            .map(|expr| key_position(plan, &keys, expr))
            .collect::<Option<Vec<usize>>>()
    };
    let (left_keys, right_keys) = join.on().iter().cloned().unzip();
    match (by(left, left_keys), by(join.right(), right_keys)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// Gives which of the keys the partitioning is on, in its order, if it is on all of them.
fn places(
    plan: &Arc<dyn ExecutionPlan>,
    keys: &[Arc<dyn PhysicalExpr>],
    partitions: usize,
) -> Option<Vec<usize>> {
    let placed_by = placed_by(plan, partitions)?;
    if placed_by.len() != keys.len() {
        return None;
    }
    placed_by
        .iter()
        .map(|expr| key_position(plan, keys, expr))
        .collect()
}

/// Gives what a plan's rows are placed by.
pub(super) fn placed_by(
    plan: &Arc<dyn ExecutionPlan>,
    partitions: usize,
) -> Option<Vec<Arc<dyn PhysicalExpr>>> {
    match plan.output_partitioning() {
        Partitioning::Hash(exprs, count) if *count == partitions => Some(exprs.clone()),
        _ => None,
    }
}

/// Finds a partition expression among join keys; columns known to be equal count as one.
pub(super) fn key_position(
    plan: &Arc<dyn ExecutionPlan>,
    keys: &[Arc<dyn PhysicalExpr>],
    expr: &Arc<dyn PhysicalExpr>,
) -> Option<usize> {
    let equal = plan.equivalence_properties().eq_group();
    let same = |key: &Arc<dyn PhysicalExpr>| {
        key == expr
            || (key.downcast_ref::<Column>().is_some()
                && equal
                    .get_equivalence_class(key)
                    .is_some_and(|class| class.contains(expr)))
    };
    keys.iter().position(same)
}
