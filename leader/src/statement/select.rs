//! SELECT: bind, plan, stream. Access is checked where names are resolved.

use super::answer::Body;
use super::context::Context;
use super::execute;
use super::materialized_view::rewrite;
use super::names::SessionNames;
use crate::error::Result;
use crate::wlm::admission::Ticket;
use blueshift_sql::binder;
use blueshift_sql::statement::Query;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use std::sync::Arc;

/// Runs a query; rows come from the stream as they are made.
pub async fn run(ctx: &mut Context<'_>, query: &Query) -> Result<Body> {
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, query, &ctx.parameter_types())?;
    let bound = rewrite::rewritten(ctx, &names, bound)?;
    let columns = execute::output_columns(bound.schema().as_arrow());
    // Most queues send no query on, and most plans are needed once.
    let again = ctx.server.wlm.can_hop().then(|| bound.clone());
    let plan = ctx.plan(&names.state, bound).await?;
    ctx.server.history.filtered(&plan);
    if !names.used().is_empty() || names.external_used().is_some() {
        ctx.last.query_id = Some(ctx.query);
    }
    let ticket = ctx.plans.ticket().filter(|ticket| ticket.may_restart());
    let stream = match ticket.cloned().zip(again) {
        Some((ticket, bound)) => restartable(ctx, &names, bound, (plan, ticket)).await?,
        None => execute::stream(&ctx.server.node, plan, ctx.task(&names.state)),
    };
    Ok(Body::Rows {
        columns,
        stream,
        tag: "SELECT",
    })
}

/// Runs a query whose queue may send it on until its first rows are there: then it begins anew, planned again, as soon as
/// the other queue lets it in.
async fn restartable(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    bound: LogicalPlan,
    first: (Arc<dyn ExecutionPlan>, Arc<Ticket>),
) -> Result<SendableRecordBatchStream> {
    let (mut plan, ticket) = first;
    loop {
        let task = ctx.task(&names.state);
        let mut stream = execute::stream(&ctx.server.node, Arc::clone(&plan), task);
        let rows = tokio::select! {
            biased;
            () = ticket.restarted() => None,
            rows = stream.next() => Some(rows),
        };
        if let Some(rows) = rows {
            ticket.cannot_restart();
            let schema = stream.schema();
            let all = futures::stream::iter(rows).chain(stream);
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, all)));
        }
        drop(stream);
        ctx.plans.ended(&plan);
        ticket.wait_turn().await?;
        plan = ctx.plan(&names.state, bound.clone()).await?;
        ticket.may_restart();
    }
}
