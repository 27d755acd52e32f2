//! `OwnRows`: copies the rows of sorts on their way to the merge of them, in the plan of a statement that has run out of
//! memory. One of the last physical rules, as [`super::held_window`].

use crate::planner::options::options_of;
use blueshift_compute::operator::own_rows::OwnRowsExec;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// The rule. See the module.
#[derive(Debug)]
pub struct OwnRows;

impl PhysicalOptimizerRule for OwnRows {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if options_of(config).hash_join_bytes > 0 {
            return Ok(plan);
        }
        let own = plan.transform_up(|node| {
            Ok(match OwnRowsExec::below_merge(&node)? {
                Some(merge) => Transformed::yes(merge),
                None => Transformed::no(node),
            })
        });
        own.data()
    }

    fn name(&self) -> &str {
        "own_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
