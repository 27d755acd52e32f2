//! `JoinKeys`: above a join, no column is known to determine another.
//!
//! The engine knows that `GROUP BY k` makes `k` a key, and carries that through a join as "equal `k`, equal other
//! columns of that side". An aggregation above then takes it for a key of *all* its columns, at times even a unique
//! one: `SELECT DISTINCT d.k, a.v` over a join was sorted by `k` alone, and `SELECT DISTINCT k` of it was left out.
//! So before the rules that ask for keys, joins that say something about them are told to forget it, and what stands
//! above is asked again. Semi joins only leave rows out, and keep what is known.

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{FunctionalDependencies, JoinType, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use std::sync::Arc;

/// The rules of the engine that rely on keys.
pub const BEFORE: [&str; 4] = [
    "eliminate_duplicated_expr",
    "replace_distinct_aggregate",
    "eliminate_join",
    "optimize_projections",
];

/// The rule. See the module.
#[derive(Debug)]
pub struct JoinKeys;

impl OptimizerRule for JoinKeys {
    fn name(&self) -> &str {
        "join_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !has_join(&plan)? {
            return Ok(Transformed::no(plan));
        }
        let plan = plan.transform_up_with_subqueries(|node| {
            if node.schema().functional_dependencies().is_empty() {
                return Ok(Transformed::no(node));
            }
            match node {
                LogicalPlan::Join(mut join) if keeps_both_sides(join.join_type) => {
                    let forgotten = join
                        .schema
                        .as_ref()
                        .clone()
                        .with_functional_dependencies(FunctionalDependencies::empty())?;
                    join.schema = Arc::new(forgotten);
                    Ok(Transformed::yes(LogicalPlan::Join(join)))
                }
                node => Ok(Transformed::yes(node.recompute_schema()?)),
            }
        })?;
        // Nothing that another round would see differently was changed.
        Ok(Transformed::no(plan.data))
    }
}

fn has_join(plan: &LogicalPlan) -> Result<bool> {
    let mut has_join = false;
    plan.apply_with_subqueries(|node| {
        has_join = matches!(node, LogicalPlan::Join(_));
        Ok(match has_join {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(has_join)
}

fn keeps_both_sides(join: JoinType) -> bool {
    matches!(
        join,
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
    )
}
