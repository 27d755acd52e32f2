//! SELECT: bind, plan, stream. Access is checked where names are resolved.

use super::answer::Body;
use super::context::Context;
use super::execute;
use super::materialized_view::rewrite;
use crate::error::Result;
use blueshift_sql::binder;
use blueshift_sql::statement::Query;

/// Runs a query; rows come from the stream as they are made.
pub async fn run(ctx: &mut Context<'_>, query: &Query) -> Result<Body> {
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, query, &ctx.parameter_types())?;
    let bound = rewrite::rewritten(ctx, &names, bound)?;
    let columns = execute::output_columns(bound.schema().as_arrow());
    let plan = ctx.plan(&names.state, bound).await?;
    ctx.server.history.filtered(&plan);
    if !names.used().is_empty() || names.external_used().is_some() {
        ctx.last.query_id = Some(ctx.query);
    }
    let stream = execute::stream(&ctx.server.node, plan, ctx.task(&names.state));
    Ok(Body::Rows {
        columns,
        stream,
        tag: "SELECT",
    })
}
