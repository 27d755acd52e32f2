//! UNLOAD: binds and plans the query as SELECT does; the slices write its rows to files.
//!
//! It reads, and so needs no more than SELECT on what is read; where it may write is the server's to say.

use super::answer::{Body, Notice};
use super::context::Context;
use super::create_table_as::kept_type;
use super::execute;
use super::materialized_view::rewrite;
use crate::error::Result;
use crate::error::sqlstate::report;
use crate::history::now_us;
use crate::history::store::RequestGuard;
use crate::history::unload::UnloadStatement;
use blueshift_compute::unload::{self, UnloadColumn, UnloadPlan};
use blueshift_sql::binder;
use blueshift_sql::statement::Unload;
use blueshift_sql::statement::copy::CopyCompression;
use blueshift_sql::statement::unload::UnloadFormat;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs an UNLOAD.
pub async fn run(ctx: &mut Context<'_>, unload: &Unload) -> Result<Body> {
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, &unload.query, &ctx.parameter_types())?;
    let bound = rewrite::rewritten(ctx, &names, bound)?;
    let columns = execute::output_columns(bound.schema().as_arrow());
    let columns = columns.into_iter().map(|column| UnloadColumn {
        ty: kept_type(column.ty, &column.arrow),
        name: column.name,
    });
    let node = ctx.server.node.clone();
    let plan = UnloadPlan {
        columns: columns.collect(),
        destination: unload.destination.clone(),
        authorization: unload.authorization.clone(),
        options: unload.options.clone(),
        slice_count: node.store.slice_count(),
        requests: Arc::default(),
        external: None,
    };
    let history = ctx.server.history.clone();
    let _noted = RequestGuard {
        history: &history,
        requests: Arc::clone(&plan.requests),
        userid: ctx.user.oid,
        query: ctx.query,
        pid: ctx.pid,
    };
    unload::check(&node, &plan).await?;
    let query = ctx.plan(&names.state, bound).await?;
    ctx.server.history.filtered(&query);
    ctx.last.query_id = Some(ctx.query);
    let rows = Arc::new(AtomicU64::new(0));
    let shown = history.begin_unload(statement(ctx, unload), Arc::clone(&rows));
    ctx.last.unload_id = Some(ctx.query);
    let task = ctx.task(&names.state);
    let files = match unload::unload(&node, &plan, query, task, &rows).await {
        Ok(files) => files,
        Err(error) => {
            ctx.last.unload_count = 0;
            ctx.last.is_unload_failed = true;
            let error = error.into();
            shown.failed(report(&error).message);
            return Err(error);
        }
    };
    shown.succeeded(files);
    let rows = rows.load(Ordering::Relaxed);
    ctx.last.unload_count = i64::try_from(rows).unwrap_or(i64::MAX);
    ctx.last.is_unload_failed = false;
    ctx.notices.push(Notice::info(format!(
        "UNLOAD completed, {rows} record(s) unloaded successfully."
    )));
    Ok(Body::done("UNLOAD"))
}

/// Tells the log tables what runs.
fn statement(ctx: &Context<'_>, unload: &Unload) -> UnloadStatement {
    let options = &unload.options;
    UnloadStatement {
        userid: ctx.user.oid,
        query: ctx.query,
        xid: ctx.transaction.xid,
        pid: ctx.pid,
        database: ctx.connected.name.to_string(),
        starttime_us: now_us(),
        destination: unload.destination.clone(),
        format: options.format.name().to_owned(),
        compression: match (options.format, options.compression) {
            (UnloadFormat::Parquet, _) => "SNAPPY",
            (_, CopyCompression::None) => "NONE",
            (_, CopyCompression::Gzip) => "GZIP",
            (_, CopyCompression::Bzip2) => "BZIP2",
            (_, CopyCompression::Zstd) => "ZSTD",
            (_, CopyCompression::Lzop) => "LZOP",
        }
        .to_owned(),
    }
}
