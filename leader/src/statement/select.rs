//! SELECT: bind, look for an earlier answer, plan, stream. Access is checked where names are resolved.

use super::answer::Body;
use super::context::Context;
use super::execute;
use super::materialized_view::rewrite;
use super::names::SessionNames;
use crate::error::Result;
use crate::planner::result_cache::{self, Asker, Keep, Known, Question};
use crate::wlm::admission::Ticket;
use blueshift_sql::binder;
use blueshift_sql::statement::Query;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use std::sync::Arc;

/// Runs a query; rows come from the stream as they are made, or from an earlier answer if nothing has changed.
pub async fn run(ctx: &mut Context<'_>, query: &Query) -> Result<Body> {
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, query, &ctx.parameter_types())?;
    let question = question(ctx, &bound);
    if let Some(question) = &question
        && let Some(known) = ctx.server.results.get(question)
    {
        return answered(ctx, &known);
    }
    compute(ctx, &names, bound, question).await
}

/// Runs a query, whatever was answered before.
pub async fn run_anew(ctx: &mut Context<'_>, query: &Query) -> Result<Body> {
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, query, &ctx.parameter_types())?;
    compute(ctx, &names, bound, None).await
}

async fn compute(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    bound: LogicalPlan,
    question: Option<Question>,
) -> Result<Body> {
    let bound = rewrite::rewritten(ctx, names, bound)?;
    let schema = Arc::clone(bound.schema().inner());
    let columns = execute::output_columns(&schema);
    // Most queues send no query on, and most plans are needed once.
    let again = ctx.server.wlm.can_hop().then(|| bound.clone());
    let plan = ctx.plan(&names.state, bound).await?;
    ctx.server.history.filtered(&plan);
    if !names.used().is_empty() || names.external_used().is_some() {
        ctx.last.query_id = Some(ctx.query);
    }
    let ticket = ctx.plans.ticket().filter(|ticket| ticket.may_restart());
    let stream = match ticket.cloned().zip(again) {
        Some((ticket, bound)) => restartable(ctx, names, bound, (plan, ticket)).await?,
        None => execute::stream(&ctx.server.node, plan, ctx.task(&names.state)),
    };
    let stream = match ctx.plans.may_be_thrifty() {
        // Hash tables and sorts are full before the first row: if they do not fit, the query can still be planned
        // otherwise.
        true => execute::begun(stream).await?,
        false => stream,
    };
    let stream = match question {
        None => stream,
        Some(question) => Keep {
            cache: Arc::clone(&ctx.server.results),
            store: Arc::clone(&ctx.server.node.store),
            question,
            columns: schema,
            query: ctx.query,
        }
        .from(stream),
    };
    Ok(Body::Rows {
        columns,
        stream,
        tag: "SELECT",
    })
}

/// Makes the question that a bound query is to the cache of results. Who has changed something sees what nobody else
/// does, and is neither answered nor remembered.
fn question(ctx: &Context<'_>, bound: &LogicalPlan) -> Option<Question> {
    if ctx.transaction.change_count() > 0 || !ctx.settings.is_on(result_cache::SETTING) {
        return None;
    }
    let asker = Asker {
        user: ctx.user,
        databases: (ctx.connected.oid, *ctx.used),
        settings: ctx.settings,
        parameters: ctx.parameters,
    };
    Question::of(bound, &asker)
}

fn answered(ctx: &mut Context<'_>, known: &Known) -> Result<Body> {
    ctx.plans.answered_by(known.source);
    ctx.last.query_id = Some(ctx.query);
    let rows = match known.rows.num_rows() {
        0 => Vec::new(),
        _ => vec![known.rows.clone()],
    };
    let stream = MemoryStream::try_new(rows, known.rows.schema(), None)?;
    Ok(Body::Rows {
        columns: execute::output_columns(&known.columns),
        stream: Box::pin(stream),
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
