//! EXPLAIN: the plan of a statement in Redshift's shape; ANALYZE runs it first.

use super::answer::Body;
use super::context::Context;
use super::materialized_view::rewrite;
use super::names::Right;
use super::{execute, target};
use crate::error::Result;
use blueshift_sql::binder;
use blueshift_sql::statement::Statement;
use blueshift_sql::statement::session::Explain;
use datafusion::logical_expr::LogicalPlan;

/// Runs an EXPLAIN. Only queries may be run by ANALYZE, so that it never changes anything.
pub async fn run(ctx: &mut Context<'_>, explain: &Explain) -> Result<Body> {
    let statement = &explain.statement.statement;
    if explain.analyze && !matches!(statement, Statement::Select(_)) {
        return Err(blueshift_sql::Error::unsupported(
            format!("EXPLAIN ANALYZE of {}", super::tag(statement)),
            "Use EXPLAIN without ANALYZE, or EXPLAIN ANALYZE of its query.",
        )
        .into());
    }
    let names = ctx.names()?;
    let bound = bound(ctx, &names, statement)?;
    let plan = ctx.plan_only(&names.state, bound).await?;
    if explain.analyze {
        ctx.plans.admit(&plan).await?;
        execute::drain(&ctx.server.node, plan.clone(), ctx.task(&names.state)).await?;
    }
    let lines = crate::planner::explain::text(&plan, explain.analyze, explain.verbose);
    let rows: Vec<Vec<String>> = lines.into_iter().map(|line| vec![line]).collect();
    Body::text_rows("EXPLAIN", &["QUERY PLAN"], &rows)
}

/// Binds what a statement computes.
fn bound(
    ctx: &Context<'_>,
    names: &super::names::SessionNames,
    statement: &Statement,
) -> Result<LogicalPlan> {
    let types = ctx.parameter_types();
    Ok(match statement {
        Statement::Select(query) => {
            let bound = binder::bind_query(names, query, &types)?;
            rewrite::rewritten(ctx, names, bound)?
        }
        Statement::CreateTableAs(create) => binder::bind_query(names, &create.query, &types)?,
        Statement::Insert(insert) => {
            let columns = super::insert::columns(names, insert)?;
            binder::bind_insert(names, &columns, insert, &types)?.input
        }
        Statement::Update(update) => {
            let table = names.table_to_change(&update.table, &Right::Update(update))?;
            let columns = target::columns(names, &table)?;
            let defaults: Vec<_> = columns.into_iter().map(|column| column.default).collect();
            let source = names.target_source(&table)?.source;
            binder::bind_update(names, source, update, &defaults)?.input
        }
        Statement::Delete(delete) => {
            let table = names.table_to_change(&delete.table, &Right::Delete(delete))?;
            let source = names.target_source(&table)?.source;
            binder::bind_delete(names, source, delete)?
        }
        other => {
            return Err(blueshift_sql::Error::unsupported(
                format!("EXPLAIN of {}", super::tag(other)),
                "Explain a SELECT, INSERT, UPDATE, DELETE or CREATE TABLE AS.",
            )
            .into());
        }
    })
}
