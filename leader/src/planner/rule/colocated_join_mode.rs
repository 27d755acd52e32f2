//! `ColocatedJoinMode`: a join of two tables placed by the join key runs slice by slice, and nothing moves.
//!
//! The engine would collect a small side into one shared table even then. Within one process that is right while the
//! side is small: one table is shared by all, and its filter on the other side is simple. A larger one is better kept
//! per slice, where all threads build at once.

use blueshift_compute::profile::together::{key_position, placed_by};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
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
