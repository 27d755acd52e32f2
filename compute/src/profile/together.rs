//! Whether the rows that meet in a join lie on one slice, so that nothing is sent.

use crate::distribution::Distribution;
use crate::scan::SliceScanExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use std::sync::Arc;

/// Tells whether rows that meet in a join lie on one slice, by all its keys or by some. One hash table for all slices
/// changes nothing about that: each finds its matches among its own rows.
pub fn lies_together(join: &HashJoinExec) -> bool {
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

/// Tells whether all rows of a plan are on every slice, as those of tables with `DISTSTYLE ALL`.
pub fn is_everywhere(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    match children.as_slice() {
        [] => plan
            .downcast_ref::<SliceScanExec>()
            .is_some_and(|scan| scan.table().distribution == Distribution::All),
        many => many.iter().all(|child| is_everywhere(child)),
    }
}

/// Gives what a plan's rows are placed by.
pub fn placed_by(
    plan: &Arc<dyn ExecutionPlan>,
    partitions: usize,
) -> Option<Vec<Arc<dyn PhysicalExpr>>> {
    match plan.output_partitioning() {
        Partitioning::Hash(exprs, count) if *count == partitions => Some(exprs.clone()),
        _ => None,
    }
}

/// Finds a partition expression among join keys; columns known to be equal count as one.
pub fn key_position(
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
