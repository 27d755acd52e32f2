//! `InitPlan`: runs uncorrelated scalar subqueries before the rest of the statement is planned.
//!
//! Their values become literals, so that zone maps prune on them and selectivity is known. The engine would do it
//! while the statement runs, when both come too late.

use crate::error::Result;
use crate::planner;
use crate::planner::log::PlanLog;
use blueshift_sql::Error as SqlError;
use blueshift_sql::sqlstate::SqlState;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Expr;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{LogicalPlan, Subquery};
use futures::StreamExt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Runs every uncorrelated scalar subquery of an analyzed plan, equal ones once, and puts the values in their places.
/// More than one row is error 21000; no row is null.
pub async fn run_subqueries(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    let found = uncorrelated(&plan)?;
    if found.is_empty() {
        return Ok(plan);
    }
    let mut values = Vec::with_capacity(found.len());
    for subquery in found {
        let value = value_of(state, &subquery).await?;
        values.push((subquery, value));
    }
    Ok(replace(plan, &values)?)
}

/// Lists the outermost uncorrelated scalar subqueries; those inside them are found when they are planned themselves.
fn uncorrelated(plan: &LogicalPlan) -> Result<Vec<Arc<LogicalPlan>>> {
    let mut found = Vec::new();
    collect(plan, &mut found)?;
    Ok(found)
}

fn collect(plan: &LogicalPlan, found: &mut Vec<Arc<LogicalPlan>>) -> datafusion::error::Result<()> {
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Some(subquery) = runnable(part) {
                    if !found.contains(&subquery.subquery) {
                        found.push(Arc::clone(&subquery.subquery));
                    }
                } else if let Some(subquery) = subquery_of(part) {
                    collect(&subquery.subquery, found)?;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(within) => Some(&within.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        _ => None,
    }
}

/// A subquery is runnable if nothing in it, at any depth, refers to a row outside of it.
fn runnable(expr: &Expr) -> Option<&Subquery> {
    let Expr::ScalarSubquery(subquery) = expr else {
        return None;
    };
    if !subquery.outer_ref_columns.is_empty() {
        return None;
    }
    // References out of nested subqueries may reach past this one.
    let mut depth_free = true;
    let walked = subquery.subquery.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::OuterReferenceColumn(_, column) = part
                    && !provides(&subquery.subquery, column)
                {
                    depth_free = false;
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    (walked.is_ok() && depth_free).then_some(subquery)
}

/// Whether some node of the plan has this column in its output.
fn provides(plan: &LogicalPlan, column: &datafusion::common::Column) -> bool {
    let mut provided = false;
    let walked = plan.apply_with_subqueries(|node| {
        if node.schema().has_column(column) {
            provided = true;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && provided
}

async fn value_of(state: &SessionState, subquery: &LogicalPlan) -> Result<ScalarValue> {
    let null = ScalarValue::try_from(subquery.schema().field(0).data_type())?;
    let physical = Box::pin(planner::plan(state, subquery.clone())).await?;
    if let Some(plans) = state.config().get_extension::<PlanLog>() {
        plans.admit(&physical).await?;
    }
    let context = planner::context::task_context(state);
    let mut value = None;
    // Not here, where the session plans: it may take long.
    let mut stream = planner::run::stream(Arc::clone(&physical), context, &Handle::current());
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        if value.is_some() || batch.num_rows() > 1 {
            return Err(SqlError::new(
                SqlState::CARDINALITY_VIOLATION,
                "more than one row returned by a subquery used as an expression",
            )
            .into());
        }
        value = Some(ScalarValue::try_from_array(batch.column(0), 0)?);
    }
    drop(stream);
    if let Some(plans) = state.config().get_extension::<PlanLog>() {
        plans.ended(&physical);
    }
    Ok(value.unwrap_or(null))
}

fn replace(
    plan: LogicalPlan,
    values: &[(Arc<LogicalPlan>, ScalarValue)],
) -> datafusion::error::Result<LogicalPlan> {
    let replaced = plan.transform_up(|node| {
        // A projection must keep the names of its columns.
        let preserver = NamePreserver::new(&node);
        let changed = node.map_expressions(|expr| {
            let name = preserver.save(&expr);
            let rewritten = expr.transform_up(|part| replace_in(part, values))?;
            Ok(rewritten.update_data(|data| name.restore(data)))
        })?;
        changed.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(replaced.data)
}

fn replace_in(
    mut part: Expr,
    values: &[(Arc<LogicalPlan>, ScalarValue)],
) -> datafusion::error::Result<Transformed<Expr>> {
    let known = runnable(&part).and_then(|subquery| {
        values
            .iter()
            .find(|(of, _)| *of == subquery.subquery)
            .map(|(_, value)| value.clone())
    });
    if let Some(value) = known {
        return Ok(Transformed::yes(Expr::Literal(value, None)));
    }
    let subquery = match &mut part {
        Expr::ScalarSubquery(subquery) => subquery,
        Expr::Exists(exists) => &mut exists.subquery,
        Expr::InSubquery(within) => &mut within.subquery,
        Expr::SetComparison(comparison) => &mut comparison.subquery,
        _ => return Ok(Transformed::no(part)),
    };
    subquery.subquery = Arc::new(replace(subquery.subquery.as_ref().clone(), values)?);
    Ok(Transformed::yes(part))
}
