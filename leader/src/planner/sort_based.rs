//! LISTAGG, PERCENTILE_CONT and MEDIAN of one grouping all work on the same order of the rows, as on Redshift.
//!
//! Here each could have an order of its own; but who writes SQL for Redshift must not find that out there.
//! `SET blueshift.comfort TO on` lifts the limit where the engine does not have it too.

use super::options;
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// PERCENTILE_CONT and MEDIAN, which order by their argument; with this end, from the largest on.
const PERCENTILE: &str = "blueshift_percentile_cont";
const FROM_LARGEST: &str = "_desc";

/// What rows are ordered by, and whether from the smallest on.
type Order<'a> = Vec<(&'a Expr, bool)>;

/// Refuses a plan with a grouping that needs two orders.
pub(super) fn check(plan: &LogicalPlan, config: &ConfigOptions) -> Result<()> {
    if options::options_of(config).comfort {
        return Ok(());
    }
    let mut differs = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            let calls = aggregate.aggr_expr.iter();
            let mut orders = calls.filter_map(order);
            if let Some(first) = orders.next() {
                differs = differs || orders.any(|other| other != first);
            }
        }
        Ok(match differs {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    if !differs {
        return Ok(());
    }
    let refused = blueshift_sql::Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "within group ORDER BY clauses for aggregate functions must be the same",
    )
    .with_detail("LISTAGG, PERCENTILE_CONT and MEDIAN of one query share one order; MEDIAN orders by its argument.")
    .with_hint("Compute them in queries of their own and join these, or SET blueshift.comfort TO on.");
    Err(Error::from(refused))
}

/// The order that a call works on; `None` if it works on any.
fn order(call: &Expr) -> Option<Order<'_>> {
    let (func, params) = match call {
        Expr::Alias(alias) => return order(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => (func, params),
        _ => return None,
    };
    let AggregateFunctionParams { args, order_by, .. } = params;
    match func.name().strip_prefix(PERCENTILE) {
        Some(end) => Some(vec![(args.first()?, end != FROM_LARGEST)]),
        None if !order_by.is_empty() => {
            let orders = order_by.iter();
            Some(orders.map(|order| (&order.expr, order.asc)).collect())
        }
        None => None,
    }
}
