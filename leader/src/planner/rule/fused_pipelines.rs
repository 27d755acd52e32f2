//! `FusedPipelines`: an aggregation and the projections below it run as one operator of ours, if it does nothing that is
//! not known there.
//!
//! Runs when all else is settled, filters that change while running among it: those were handed down through operators
//! that the engine knows. `SET blueshift.fused_pipelines TO off` leaves all to the engine.

use blueshift_compute::operator::pipeline::fused;
use datafusion::error::Result;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use std::sync::Arc;

/// Fuses what can be in a plan.
pub(in crate::planner) fn fuse(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let children = plan.children();
    let mut changed = false;
    let mut new = Vec::with_capacity(children.len());
    for child in children {
        let made = fuse(Arc::clone(child))?;
        changed |= !Arc::ptr_eq(&made, child);
        new.push(made);
    }
    let plan = match changed {
        // What is fused promises what it stands for does.
        true => plan.replace_children(
            new,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep),
        )?,
        false => plan,
    };
    Ok(fused(&plan)?.unwrap_or(plan))
}
