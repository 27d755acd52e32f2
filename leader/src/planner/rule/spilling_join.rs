//! Joins that can spill, where the hash table of one may not fit into memory.
//!
//! [`super::build_side`] asks for it where the table is expected to be too large, and everywhere when a statement is
//! planned again that ran out of memory with hash joins.

use crate::planner::estimate::{Estimate, physical};
use blueshift_compute::operator::null_side::NullSideExec;
use blueshift_compute::operator::secure::SecureExec;
use blueshift_compute::operator::spilling_join::SpillingJoinExec;
use blueshift_compute::scan::SliceScanExec;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use std::sync::Arc;

/// A hash table takes so many times what its rows do, about.
const TABLE_FACTOR: f64 = 2.0;

/// A side that cannot have more bytes is kept whole at the second try too: to send the rows of the other side by its few
/// keys would put them all on few slices.
const SMALL_BYTES: f64 = 1024.0 * 1024.0;

/// Gives the join that stands for a hash join whose table would take more than `bytes_max`, or for any if that is 0;
/// `None` if the table fits, and for NOT IN, which must see all of its other side.
pub(super) fn instead_of(
    join: &HashJoinExec,
    bytes_max: u64,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if bytes_max == u64::MAX || !SpillingJoinExec::can_be(join) {
        return Ok(None);
    }
    let (left, right) = (bytes(join.left()), bytes(join.right()));
    let swap = join.join_type().supports_swap() && left > right;
    let (built, built_bytes) = match swap {
        true => (join.right(), right),
        false => (join.left(), left),
    };
    let fits = match bytes_max {
        0 => is_small(built),
        most => built_bytes * TABLE_FACTOR <= most as f64,
    };
    if fits {
        return Ok(None);
    }
    let join: Arc<dyn ExecutionPlan> = match swap {
        true => join.swap_inputs(PartitionMode::Partitioned)?,
        false => Arc::new(join.builder().build()?),
    };
    spilling(&join).map(Some)
}

/// Makes a hash join, or the one below a projection that puts its columns in order, one that can spill.
fn spilling(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return Ok(Arc::new(SpillingJoinExec::new(join)?));
    }
    match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => {
            let input = spilling(projection.input())?;
            let over = ProjectionExec::try_new(projection.expr().to_vec(), input)?;
            Ok(Arc::new(over))
        }
        None => Ok(Arc::clone(plan)),
    }
}

fn bytes(side: &Arc<dyn ExecutionPlan>) -> f64 {
    let estimate: Estimate = physical::estimate(side.as_ref());
    estimate.rows * estimate.width()
}

/// Tells whether a side is small for certain: however many of its table's rows there are.
fn is_small(side: &Arc<dyn ExecutionPlan>) -> bool {
    let width = physical::estimate(side.as_ref()).width();
    rows_max(side).is_some_and(|rows| rows as f64 * width <= SMALL_BYTES)
}

/// Gives how many rows a plan cannot exceed, if that is known.
fn rows_max(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        return Some(scan.table().version.row_count());
    }
    let groups = plan.downcast_ref::<AggregateExec>();
    let passes = plan.is::<FilterExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<NullSideExec>()
        || plan.is::<SecureExec>()
        || groups.is_some_and(|groups| groups.group_expr().is_single());
    match plan.children().as_slice() {
        [child] if passes => rows_max(child),
        _ => None,
    }
}
