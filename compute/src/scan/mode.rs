//! Decides per scan whether partition `p` must be slice `p` (*pinned*), or whether a partition that is done may take
//! pieces of other slices (*free*), which evens out skew. Run when the plan is whole, but before places of it that read
//! the same rows are made one: those hold on to the plan below them.

use super::SliceScanExec;
use crate::operator::shared::SharedExec;
use datafusion::error::Result;
use datafusion::physical_expr::Distribution;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::partial_sort::PartialSortExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::InterleaveExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, InputOrderMode,
    ReplaceChildrenOptions,
};
use std::sync::Arc;

/// What the operators above a node take for granted of its output.
#[derive(Clone, Copy, Default)]
struct Reliance {
    /// Rows with equal keys are in one partition.
    placement: bool,
    /// Rows come in the declared order.
    order: bool,
}

/// Frees the scans of a plan that nothing above needs pinned.
pub fn choose_scan_modes(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    choose(plan, Reliance::default())
}

fn choose(plan: Arc<dyn ExecutionPlan>, reliance: Reliance) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        let ordered = reliance.order && plan.output_ordering().is_some();
        let free = !reliance.placement && !ordered;
        return Ok(if free { Arc::new(scan.freed()) } else { plan });
    }
    let children = plan.children();
    if children.is_empty() {
        return Ok(plan);
    }
    let mut changed = false;
    let mut chosen = Vec::with_capacity(children.len());
    for (index, child) in children.iter().enumerate() {
        let new = choose(Arc::clone(child), reliance_on(&plan, index, reliance))?;
        changed |= !Arc::ptr_eq(&new, child);
        chosen.push(new);
    }
    if !changed {
        return Ok(plan);
    }
    plan.replace_children(
        chosen,
        ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep),
    )
}

/// Tells what is taken for granted of child `index` of `plan`.
fn reliance_on(plan: &Arc<dyn ExecutionPlan>, index: usize, above: Reliance) -> Reliance {
    let mixes = plan.is::<CoalescePartitionsExec>() || plan.is::<SortPreservingMergeExec>();
    let shuffles = plan.is::<RepartitionExec>();
    let requirements = plan.input_distribution_requirements();
    let placement = match requirements.child_distribution(index) {
        Some(Distribution::SinglePartition) => false,
        Some(Distribution::UnspecifiedDistribution) | None => {
            // Others read what a shared part makes, and they are not above it.
            plan.is::<InterleaveExec>()
                || plan.is::<SharedExec>()
                || (above.placement && !mixes && !shuffles)
        }
        // Every form of "equal keys in one partition".
        Some(_) => true,
    };
    let required = plan
        .required_input_ordering()
        .get(index)
        .is_some_and(Option::is_some);
    let kept = plan
        .maintains_input_order()
        .get(index)
        .copied()
        .unwrap_or(true);
    let streamed = plan
        .downcast_ref::<AggregateExec>()
        .is_some_and(|aggregate| *aggregate.input_order_mode() != InputOrderMode::Linear);
    Reliance {
        placement,
        order: required || streamed || sorts_the_rest(plan) || (above.order && kept),
    }
}

/// Tells whether a sort takes its input to be in order by its first keys: it ends early then, or sorts piecemeal, and
/// requires nothing.
fn sorts_the_rest(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if plan.is::<PartialSortExec>() {
        return true;
    }
    let Some(sort) = plan.downcast_ref::<SortExec>() else {
        return false;
    };
    let input = sort.input().equivalence_properties();
    let first_keys = input.extract_common_sort_prefix(sort.expr().clone());
    first_keys.map_or(true, |(first_keys, _)| !first_keys.is_empty())
}
