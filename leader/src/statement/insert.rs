//! INSERT: rows of VALUES or of a query to the slices of a table.

use super::answer::Body;
use super::context::Context;
use super::target;
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_compute::write::Written;
use blueshift_sql::binder;
use blueshift_sql::statement::dml::Insert;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use std::sync::Arc;

/// Runs an INSERT.
pub async fn run(ctx: &mut Context<'_>, insert: &Insert) -> Result<Body> {
    let written = write(ctx, insert).await?;
    ctx.transaction.add_row_groups(written.row_groups);
    Ok(Body::done(format!("INSERT 0 {}", written.rows)))
}

/// Makes the rows durable, to be added to the transaction.
pub(super) async fn write(ctx: &mut Context<'_>, insert: &Insert) -> Result<Written> {
    let (names, table) = target::lock(ctx, &insert.table, Mode::Append).await?;
    let columns = target::columns(&names, &table)?;
    let bound = binder::bind_insert(&names, &columns, insert, &ctx.parameter_types())?;
    target::check_identities(&table, &bound.given)?;
    let plan = ctx.plan(&names.state, bound.input).await?;
    let target = target::write_target(ctx, &table, &bound.given, rows_expected(&plan))?;
    let task = ctx.task(&names.state);
    let written = blueshift_compute::write::insert(&ctx.server.node, &target, plan, task).await?;
    ctx.last.query_id = Some(ctx.query);
    Ok(written)
}

/// Estimates the rows of a plan.
pub fn rows_expected(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    let statistics = StatisticsContext::new()
        .compute(plan.as_ref(), &StatisticsArgs::new())
        .ok()?;
    statistics.num_rows.get_value().map(|rows| *rows as u64)
}
