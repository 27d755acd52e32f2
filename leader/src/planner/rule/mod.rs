//! One file per optimizer rule of ours, each removable by a setting.

pub mod build_side;
pub mod catalog_lookup;
pub mod colocated_join_mode;
pub mod colocated_subset_join;
mod distribution;
pub mod init_plan;
pub mod join_order;

use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use std::sync::Arc;

/// Gives the logical rules in their order: the engine's. Join order follows when they have settled, see
/// [`crate::planner::plan`].
pub fn logical() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    Optimizer::new().rules
}

/// Gives the physical rules in their order: the engine's, with ours among them.
pub fn physical() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    for rule in &mut rules {
        if rule.name() == "join_selection" {
            *rule = Arc::new(build_side::BuildSide::new());
        }
    }
    rules
}
