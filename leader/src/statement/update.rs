//! UPDATE: marks old rows deleted and appends new ones.

use super::answer::Body;
use super::context::Context;
use super::names::{Right, TargetSource};
use super::target;
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_compute::profile::Sink;
use blueshift_sql::binder;
use blueshift_sql::statement::dml::Update;

/// Runs an UPDATE.
pub async fn run(ctx: &mut Context<'_>, update: &Update) -> Result<Body> {
    let once = ctx.settings.is_on("error_on_nondeterministic_update");
    let rows = match once {
        true => {
            let mut strict = update.clone();
            strict.is_strict = true;
            change(ctx, &strict).await?
        }
        false => change(ctx, update).await?,
    };
    Ok(Body::done(format!("UPDATE {rows}")))
}

/// Changes the rows and tells how many.
pub(super) async fn change(ctx: &mut Context<'_>, update: &Update) -> Result<u64> {
    let (names, table) =
        target::lock(ctx, &update.table, Right::Update(update), Mode::Change).await?;
    let TargetSource { source, version } = names.target_source(&table)?;
    let columns = target::columns(&names, &table)?;
    let defaults: Vec<_> = columns.into_iter().map(|column| column.default).collect();
    let bound = binder::bind_update(&names, source, update, &defaults)?;
    let plan = ctx.plan(&names.state, bound.input).await?;
    let given = vec![true; table.columns.len()];
    let target = target::write_target(ctx, &table, &given, None)?;
    ctx.plans.goes_to(Sink::Update(target::step_table(&table)));
    let task = ctx.task(&names.state);
    let (written, masks) = blueshift_compute::write::update(
        &ctx.server.node,
        &target,
        &version,
        plan,
        task,
        update.is_strict,
    )
    .await?;
    ctx.transaction.add_row_groups(written.row_groups);
    ctx.transaction.add_masks(masks)?;
    ctx.last.query_id = Some(ctx.query);
    Ok(written.rows)
}
