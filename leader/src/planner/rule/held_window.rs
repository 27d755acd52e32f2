//! `HeldWindow`: charges the rows that windows hold on to to the memory of the query. One of the last physical rules:
//! others would take what it adds for a reason to keep rows where they are.

use blueshift_compute::operator::held::HeldExec;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// The rule. See the module.
#[derive(Debug)]
pub struct HeldWindow;

impl PhysicalOptimizerRule for HeldWindow {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let held = plan.transform_up(|node| {
            Ok(match HeldExec::below_window(&node)? {
                Some(window) => Transformed::yes(window),
                None => Transformed::no(node),
            })
        });
        held.data()
    }

    fn name(&self) -> &str {
        "held_window"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
