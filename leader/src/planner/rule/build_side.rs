//! `BuildSide`: chooses which side of a join is kept in memory, and whether each slice keeps its own share.
//!
//! Takes the place of the engine's `join_selection`, which looks at the size of a side only where statistics survived
//! the operators below, and so builds on the larger side of most joins over joins.

use super::{colocated_join_mode, colocated_subset_join, spilling_join};
use crate::planner::estimate::{Estimate, physical};
use crate::planner::options::options_of;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::join_selection::JoinSelection;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode,
};
use std::sync::Arc;

/// Work of putting a row into a hash table, where sending a row to another partition is 1.
const BUILD_COST: f64 = 2.5;

/// The rule. See the module.
#[derive(Debug, Default)]
pub struct BuildSide {
    engine: JoinSelection,
}

impl BuildSide {
    /// Makes the rule.
    pub fn new() -> Self {
        Self::default()
    }
}

impl PhysicalOptimizerRule for BuildSide {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let switches = options_of(config);
        if !switches.build_side {
            return self.engine.optimize(plan, config);
        }
        let partitions = config.execution.target_partitions.max(1) as f64;
        let plan = if switches.colocated_subset_join && switches.hash_join_bytes > 0 {
            colocated_subset_join::free_keys(plan, config.execution.target_partitions)?
        } else {
            plan
        };
        plan.transform_up(|node| {
            if let Some(join) = node.downcast_ref::<HashJoinExec>() {
                if let Some(other) = spilling_join::instead_of(join, switches.hash_join_bytes)? {
                    return Ok(Transformed::yes(other));
                }
                return Ok(Transformed::yes(choose(
                    join,
                    partitions,
                    switches.colocated_join_mode,
                )?));
            }
            if let Some(join) = node.downcast_ref::<CrossJoinExec>()
                && first_is_larger(join.left(), join.right())
            {
                return Ok(Transformed::yes(join.swap_inputs()?));
            }
            if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
                && join.join_type().supports_swap()
                && first_is_larger(join.left(), join.right())
            {
                return Ok(Transformed::yes(join.swap_inputs()?));
            }
            Ok(Transformed::no(node))
        })
        .data()
    }

    fn name(&self) -> &str {
        "build_side"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn bytes(estimate: &Estimate) -> f64 {
    estimate.rows * estimate.width()
}

fn first_is_larger(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> bool {
    bytes(&physical::estimate(left.as_ref())) > bytes(&physical::estimate(right.as_ref()))
}

fn choose(join: &HashJoinExec, partitions: f64, local: bool) -> Result<Arc<dyn ExecutionPlan>> {
    let (left, right) = (
        physical::estimate(join.left().as_ref()),
        physical::estimate(join.right().as_ref()),
    );
    if join.null_aware {
        // NOT IN must see all of its right side at once.
        return with_mode(join, PartitionMode::CollectLeft);
    }
    let swap = join.join_type().supports_swap() && bytes(&left) > bytes(&right);
    let build_rows = if swap { right.rows } else { left.rows };
    let mode = mode_of(join, (left.rows, right.rows), build_rows, partitions, local);
    if swap {
        join.swap_inputs(mode)
    } else {
        with_mode(join, mode)
    }
}

fn with_mode(join: &HashJoinExec, mode: PartitionMode) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(Arc::new(join.builder().with_partition_mode(mode).build()?))
}

/// One shared table, built while all but one thread wait, or one table per partition, for which rows must move first
/// unless they lie right.
fn mode_of(
    join: &HashJoinExec,
    (left_rows, right_rows): (f64, f64),
    build_rows: f64,
    partitions: f64,
    local: bool,
) -> PartitionMode {
    if partitions < 2.0 || build_rows <= colocated_join_mode::BUILD_ROWS_MIN {
        return PartitionMode::CollectLeft;
    }
    let count = partitions as usize;
    let (left, right) = colocated_join_mode::sides_lie_right(join, count);
    if left && right {
        return if local {
            PartitionMode::Partitioned
        } else {
            PartitionMode::CollectLeft
        };
    }
    let moved = |lies: bool, rows: f64| if lies { 0.0 } else { rows };
    let motion = moved(left, left_rows) + moved(right, right_rows);
    let waiting = build_rows * (1.0 - 1.0 / partitions) * BUILD_COST;
    if waiting > motion {
        PartitionMode::Partitioned
    } else {
        PartitionMode::CollectLeft
    }
}
