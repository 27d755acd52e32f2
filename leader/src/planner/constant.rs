//! `SELECT 1`: what drivers and pools ask to see whether a server is there. A row of constants needs no optimizer,
//! whose fifty rules take ten times as long as all the rest of such a statement.

use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_expr::planner::create_physical_expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use std::sync::Arc;

/// Makes the plan of one row of constants; `None` if it is anything else.
pub(super) fn plan(
    state: &SessionState,
    bound: &LogicalPlan,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let LogicalPlan::Projection(projection) = bound else {
        return Ok(None);
    };
    let LogicalPlan::EmptyRelation(row) = projection.input.as_ref() else {
        return Ok(None);
    };
    if !row.produce_one_row || !projection.expr.iter().all(is_constant) {
        return Ok(None);
    }
    let input = PlaceholderRowExec::new(Arc::clone(row.schema.inner()));
    let context = PhysicalPlanningContext::default();
    let columns = projection.expr.iter().zip(projection.schema.fields());
    let columns = columns.map(|(expr, field)| {
        let value = create_physical_expr(expr, &row.schema, state.execution_props(), &context)?;
        Ok((value, field.name().clone()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let plan = ProjectionExec::try_new(columns, Arc::new(input))?;
    Ok(Some(Arc::new(plan)))
}

/// Tells whether a plan is one row of constants, so that to run it is less work than to tell another thread of it.
pub fn is_row(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let Some(row) = plan.downcast_ref::<ProjectionExec>() else {
        return false;
    };
    let is_one_row = row.input().downcast_ref::<PlaceholderRowExec>().is_some();
    is_one_row && row.expr().iter().all(|column| is_value(&column.expr))
}

fn is_value(expr: &Arc<dyn PhysicalExpr>) -> bool {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) => is_value(cast.expr()),
        None => expr.downcast_ref::<Literal>().is_some(),
    }
}

/// Tells whether an expression is a constant of any type, under any names.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Alias(alias) => is_constant(&alias.expr),
        // A whole number is bound as BIGINT and then made INTEGER.
        Expr::Cast(cast) => is_constant(&cast.expr),
        _ => false,
    }
}
