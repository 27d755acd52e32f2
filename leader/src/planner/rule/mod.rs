//! One file per optimizer rule of ours, each removable by a setting.

pub mod array_subquery;
pub mod build_side;
pub mod catalog_lookup;
pub mod colocated_join_mode;
pub mod colocated_subset_join;
pub mod disjoint_lists;
mod distribution;
pub mod filter_projection;
pub mod filter_pushdown;
pub mod giving_way;
pub mod held_window;
pub mod init_plan;
pub mod join_keys;
pub mod join_order;
pub mod microseconds;
pub mod null_side;
pub mod outer_join;
pub mod own_rows;
pub mod remote_aggregate;
pub mod rounding_cast;
pub mod secure_scan;
pub mod shared_plan;
pub mod slice_number;
pub mod small_decimals;
mod spilling_join;
pub mod stoppable;
pub mod subquery_value;

use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use std::sync::Arc;

/// Gives the logical rules in their order: the engine's, with ours that guard some of them, and without one.
/// Join order follows when they have settled, see [`crate::planner::plan`]; it also finds the keys of joins that were
/// written as products, which the engine's `eliminate_cross_join` does too, but losing a condition such as
/// `a.x + b.y = c.z` when it joins `a` to `c` first.
pub fn logical() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
        vec![Arc::new(disjoint_lists::DisjointLists)];
    for rule in Optimizer::new().rules {
        if rule.name() == "eliminate_cross_join" {
            continue;
        }
        if join_keys::BEFORE.contains(&rule.name()) {
            rules.push(Arc::new(join_keys::JoinKeys));
        }
        let last_of_its_kind = rule.name() == "eliminate_outer_join";
        let pushes_filters = rule.name() == "push_down_filter";
        rules.push(rule);
        if pushes_filters {
            rules.push(Arc::new(secure_scan::SecureFilter));
        }
        if last_of_its_kind {
            rules.push(Arc::new(outer_join::OuterJoin));
        }
    }
    rules
}

/// Gives the physical rules in their order: the engine's, with ours among them.
pub fn physical() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(null_side::NullSide));
    for rule in &mut rules {
        if rule.name() == "join_selection" {
            *rule = Arc::new(build_side::BuildSide::new());
        } else if let Some(ours) = filter_pushdown::FilterPushdown::in_place_of(rule.name()) {
            *rule = Arc::new(ours);
        }
    }
    let mut guarded: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = Vec::new();
    for rule in rules {
        if rule.name() == filter_projection::BEFORE {
            guarded.push(Arc::new(filter_projection::FilterProjection));
        }
        guarded.push(rule);
    }
    let mut rules = guarded;
    // Filters that change while running are handed down last: a plan made anew above them would lose them.
    let last = rules
        .iter()
        .position(|rule| rule.name() == "EnsureCooperative");
    let last = last.unwrap_or(rules.len());
    rules.insert(last, Arc::new(small_decimals::SmallDecimals));
    rules.insert(last, Arc::new(held_window::HeldWindow));
    rules.insert(last, Arc::new(own_rows::OwnRows));
    rules
}
