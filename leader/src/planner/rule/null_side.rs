//! `NullSide`: puts [`NullSideExec`] over the sides of outer joins whose columns may become null and are believed to
//! have one value. The first physical rule: everything above is made anew, without the belief.

use blueshift_compute::operator::null_side::NullSideExec;
use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use std::sync::Arc;

/// The rule. See the module.
#[derive(Debug)]
pub struct NullSide;

impl PhysicalOptimizerRule for NullSide {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let [left_is_null, right_is_null] = match join_type(node.as_ref()) {
                Some(JoinType::Left) => [false, true],
                Some(JoinType::Right) => [true, false],
                Some(JoinType::Full) => [true, true],
                _ => return Ok(Transformed::no(node)),
            };
            let children = node
                .children()
                .into_iter()
                .zip([left_is_null, right_is_null]);
            let children = children
                .map(|(child, is_null)| {
                    if is_null && NullSideExec::is_needed(child) {
                        return Arc::new(NullSideExec::new(Arc::clone(child))) as _;
                    }
                    Arc::clone(child)
                })
                .collect();
            let replaced = replace_children_if_necessary(Arc::clone(&node), children)?;
            let changed = !Arc::ptr_eq(&replaced, &node);
            Ok(Transformed::new(
                replaced,
                changed,
                TreeNodeRecursion::Continue,
            ))
        })
        .data()
    }

    fn name(&self) -> &str {
        "null_side"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn join_type(node: &dyn ExecutionPlan) -> Option<JoinType> {
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        return Some(*join.join_type());
    }
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        return Some(*join.join_type());
    }
    node.downcast_ref::<SortMergeJoinExec>()
        .map(|join| join.join_type())
}
