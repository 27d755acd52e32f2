//! `JoinOrder`: chooses the order of inner joins by cost, where the engine takes the order of the text.
//!
//! Runs once, after the engine's rules have settled, on the whole plan. A *graph* is a maximal tree of inner and cross
//! joins with the filters and plain projections between them; what is below, any other operator, is a leaf, and is
//! reordered for itself first. Semi and anti joins on top of a leaf or a tree are in the graph too: they may be
//! applied as soon as the columns they speak of are there (TPC-H Q18 needs it before its largest join). Outer joins are
//! leaves.
//!
//! `graph.rs` takes a tree apart and `search.rs` finds the cheapest order of the parts; this file puts them together.

mod graph;
mod search;

use crate::planner::options::options_of;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinConstraint, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Projection};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use graph::{Graph, Part};
use search::Tree;
use std::sync::Arc;

/// Reorders the joins of an optimized plan, then lets the engine place filters and projections anew.
pub(crate) fn reorder(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let config = state.config_options();
    if !options_of(config).join_order || !has_join(&plan)? {
        return Ok(plan);
    }
    let reordered = reorder_below(plan, config.execution.target_partitions)?;
    if !reordered.transformed {
        return Ok(reordered.data);
    }
    let finish = Optimizer::with_rules(vec![
        Arc::new(PushDownFilter::new()),
        Arc::new(OptimizeProjections::new()),
    ]);
    let context = OptimizerContext::new_with_config_options(Arc::clone(state.config().options()))
        .with_max_passes(1);
    finish.optimize(reordered.data, &context, |_, _| {})
}

fn has_join(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Join(_))))
}

/// Finds the topmost graphs, takes each apart and goes on below its leaves.
fn reorder_below(plan: LogicalPlan, partitions: usize) -> Result<Transformed<LogicalPlan>> {
    plan.transform_down(|node| {
        if !graph::is_root(&node) {
            return Ok(Transformed::no(node));
        }
        let mut graph = Graph::of(&node)?;
        if !graph.is_reorderable() {
            return Ok(Transformed::no(node));
        }
        for part in &mut graph.parts {
            let inner = part.plan.as_ref().clone();
            part.plan = Arc::new(reorder_below(inner, partitions)?.data);
        }
        let rebuilt = rebuild(&node, &graph, partitions)?;
        // What lies below has been seen to.
        Ok(Transformed::new(rebuilt, true, TreeNodeRecursion::Jump))
    })
}

fn rebuild(original: &LogicalPlan, graph: &Graph, partitions: usize) -> Result<LogicalPlan> {
    let tree = search::cheapest(graph, partitions);
    let mut builder = Builder {
        graph,
        used: vec![false; graph.conditions.len()],
    };
    let joined = builder.build(&tree)?;
    let rest: Vec<Expr> = graph
        .conditions
        .iter()
        .zip(&builder.used)
        .filter(|(condition, used)| !**used && condition.is_needed())
        .map(|(condition, _)| condition.expr())
        .collect();
    let joined = with_filter(joined, rest)?;
    if joined.schema().columns() == original.schema().columns() {
        return Ok(joined);
    }
    // The order of the columns is the order of the leaves; the plan above wants the old one.
    let columns = original
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let projection =
        Projection::try_new_with_schema(columns, Arc::new(joined), Arc::clone(original.schema()))?;
    Ok(LogicalPlan::Projection(projection))
}

struct Builder<'a> {
    graph: &'a Graph,
    /// By condition: whether it is already in the plan.
    used: Vec<bool>,
}

impl Builder<'_> {
    fn build(&mut self, tree: &Tree) -> Result<LogicalPlan> {
        match tree {
            Tree::Leaf(index) => {
                let Some(part) = self.graph.parts.get(*index) else {
                    return datafusion::common::internal_err!("join order lost a relation");
                };
                let own = self.take_filters(1 << index);
                with_filter(part.plan.as_ref().clone(), own)
            }
            Tree::Join { left, right } => self.join(left, right),
            Tree::Semi { input, part } => {
                let input = self.build(input)?;
                let Some(Part {
                    plan,
                    semi: Some(semi),
                    ..
                }) = self.graph.parts.get(*part)
                else {
                    return datafusion::common::internal_err!("join order lost a semi join");
                };
                let join = Join::try_new(
                    Arc::new(input),
                    Arc::clone(plan),
                    semi.on.clone(),
                    semi.filter.clone(),
                    semi.join_type,
                    JoinConstraint::On,
                    semi.null_equality,
                    semi.null_aware,
                )?;
                Ok(LogicalPlan::Join(join))
            }
        }
    }

    fn join(&mut self, left: &Tree, right: &Tree) -> Result<LogicalPlan> {
        let (left_mask, right_mask) = (left.mask(), right.mask());
        let (left, right) = (self.build(left)?, self.build(right)?);
        let mut on = Vec::new();
        let mut classes = Vec::new();
        for (index, condition) in self.graph.conditions.iter().enumerate() {
            let Some((l, r)) = condition.equality_between(left_mask, right_mask) else {
                continue;
            };
            if let Some(used) = self.used.get_mut(index) {
                *used = true;
            }
            // Members of one class are equal already within each side: one equality is enough.
            if condition
                .class
                .is_none_or(|class| !classes.contains(&class))
            {
                classes.extend(condition.class);
                on.push((l, r));
            }
        }
        let filter = conjunction(self.take_filters(left_mask | right_mask));
        let join = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            filter,
            JoinType::Inner,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )?;
        Ok(LogicalPlan::Join(join))
    }

    /// Takes the conditions that can be tested where these parts are together, but for equalities between them.
    fn take_filters(&mut self, mask: u64) -> Vec<Expr> {
        let mut taken = Vec::new();
        for (condition, used) in self.graph.conditions.iter().zip(&mut self.used) {
            if !*used && condition.is_filter_within(mask) {
                *used = true;
                taken.push(condition.expr());
            }
        }
        taken
    }
}

fn with_filter(plan: LogicalPlan, conditions: Vec<Expr>) -> Result<LogicalPlan> {
    match conjunction(conditions) {
        Some(predicate) => Ok(LogicalPlan::Filter(Filter::try_new(
            predicate,
            Arc::new(plan),
        )?)),
        None => Ok(plan),
    }
}
