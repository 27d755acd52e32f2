//! What a plan will do, as the predictor of the workload manager looks at it: cheap, as it is made for every query.

use crate::wlm::predictor::Features;
use blueshift_compute::operator::spilling_join::hash_join_of;
use blueshift_compute::scan::SliceScanExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use std::sync::Arc;

/// Counts what there is in a plan.
pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Features {
    let mut features = Features::default();
    add(plan, &mut features);
    features
}

fn add(plan: &Arc<dyn ExecutionPlan>, features: &mut Features) {
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        let columns = u32::try_from(scan.projection().len()).unwrap_or(u32::MAX);
        features.rows = features
            .rows
            .saturating_add(scan.table().version.row_count());
        features.columns = features.columns.saturating_add(columns);
    } else if hash_join_of(plan.as_ref()).is_some()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<CrossJoinExec>()
        || plan.is::<SortMergeJoinExec>()
    {
        features.joins += 1;
    } else if plan.is::<SortExec>()
        || plan.is::<WindowAggExec>()
        || plan.is::<BoundedWindowAggExec>()
    {
        features.sorts += 1;
    } else if plan.is::<AggregateExec>() {
        features.aggregates += 1;
    }
    for child in plan.children() {
        add(child, features);
    }
}
