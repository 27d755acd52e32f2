//! DELETE: marks rows deleted.

use super::answer::Body;
use super::context::Context;
use super::names::{Right, TargetSource};
use super::target;
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_compute::profile::Sink;
use blueshift_sql::binder;
use blueshift_sql::statement::dml::Delete;

/// Runs a DELETE.
pub async fn run(ctx: &mut Context<'_>, delete: &Delete) -> Result<Body> {
    let rows = change(ctx, delete).await?;
    Ok(Body::done(format!("DELETE {rows}")))
}

/// Deletes the rows and tells how many.
pub(super) async fn change(ctx: &mut Context<'_>, delete: &Delete) -> Result<u64> {
    let (names, table) =
        target::lock(ctx, &delete.table, Right::Delete(delete), Mode::Change).await?;
    let TargetSource { source, version } = names.target_source(&table)?;
    let bound = binder::bind_delete(&names, source, delete)?;
    let plan = ctx.plan(&names.state, bound).await?;
    ctx.plans.goes_to(Sink::Delete(target::step_table(&table)));
    let task = ctx.task(&names.state);
    let (masks, rows) =
        blueshift_compute::write::delete(&ctx.server.node, &version, plan, task, delete.is_strict)
            .await?;
    ctx.transaction.add_masks(masks)?;
    ctx.last.query_id = Some(ctx.query);
    Ok(rows)
}
