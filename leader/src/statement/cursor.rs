//! DECLARE, FETCH, CLOSE: a query's rows, some at a time.
//!
//! Redshift materializes a cursor's rows on the leader. Here its plan stays open and runs only as far as rows are
//! fetched, so a cursor takes the memory of a few batches, whatever the size of its result. As in Redshift a session
//! has one at a time, and it ends with its transaction.

use super::answer::{Body, OutputColumn};
use super::context::Context;
use crate::error::{Error, Result};
use crate::history::cursor::CursorFacts;
use crate::history::executed::ExecutedQuery;
use crate::history::store::Requester;
use crate::history::{History, now_us};
use crate::planner::log::PlanLog;
use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use blueshift_sql::SqlState;
use blueshift_sql::statement::cursor::{Declare, Fetch};
use blueshift_sql::statement::{Query, Statement};
use datafusion::error::Result as EngineResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Mutex;

/// An open cursor.
#[derive(Clone)]
pub struct OpenCursor {
    /// Its name.
    pub name: String,
    /// What it gives.
    pub columns: Vec<OutputColumn>,
    schema: SchemaRef,
    /// Whether a FETCH needs slots, as DECLARE did. Between them it holds none.
    is_queued: bool,
    rows: Arc<Mutex<Rows>>,
}

/// The rows of a cursor from where it stands.
struct Rows {
    stream: SendableRecordBatchStream,
    /// What was read and not yet fetched.
    rest: Option<RecordBatch>,
    /// The row it stands on.
    current: Option<RecordBatch>,
    /// Last: dropped after the rows, when their plan has counted all it did.
    end: CursorEnd,
}

/// Writes what a cursor's query did to the history, when dropped: its plan runs on after the DECLARE.
struct CursorEnd {
    history: Arc<History>,
    facts: Arc<CursorFacts>,
    query: i64,
    plans: PlanLog,
}

impl Drop for CursorEnd {
    fn drop(&mut self) {
        let who = Requester {
            userid: self.facts.userid,
            query: self.query,
            pid: self.facts.pid,
        };
        self.plans.note_requests(&self.history, who);
        if let Some(executed) = self.plans.take() {
            self.history.executed(ExecutedQuery {
                userid: self.facts.userid,
                query: self.query,
                xid: self.facts.xid,
                pid: self.facts.pid,
                endtime_us: now_us(),
                executed,
                alerts: Vec::new(),
            });
        }
    }
}

impl Rows {
    /// Gives at most `count` rows; `None` at the end.
    async fn next(&mut self, count: usize) -> Option<EngineResult<RecordBatch>> {
        let batch = loop {
            let batch = match self.rest.take() {
                Some(rest) => rest,
                None => match self.stream.next().await {
                    Some(Ok(batch)) => batch,
                    Some(Err(error)) => return Some(Err(error)),
                    None => {
                        self.current = None;
                        return None;
                    }
                },
            };
            if batch.num_rows() > 0 {
                break batch;
            }
        };
        let taken = count.min(batch.num_rows());
        if taken < batch.num_rows() {
            self.rest = Some(batch.slice(taken, batch.num_rows() - taken));
        }
        self.end
            .facts
            .fetched
            .fetch_add(taken as u64, Ordering::Relaxed);
        self.current = taken.checked_sub(1).map(|last| batch.slice(last, 1));
        Some(Ok(batch.slice(0, taken)))
    }
}

/// Runs a DECLARE: the query is planned and starts to run.
pub async fn declare(ctx: &mut Context<'_>, declare: &Declare) -> Result<Body> {
    if !ctx.transaction.is_explicit {
        return Err(blueshift_sql::Error::new(
            SqlState::NO_ACTIVE_SQL_TRANSACTION,
            "DECLARE CURSOR may only be used in transaction blocks",
        )
        .with_hint("BEGIN a transaction first; the cursor lasts as long as it.")
        .into());
    }
    let Statement::Select(query) = &declare.query.statement else {
        return Err(Error::internal("a cursor is for a query"));
    };
    open(ctx, &declare.name, query).await?;
    Ok(Body::done("DECLARE CURSOR"))
}

/// Opens a cursor, as DECLARE does and OPEN in a procedure.
pub async fn open(ctx: &mut Context<'_>, name: &str, query: &Query) -> Result<()> {
    if let Some(open) = ctx.cursor.as_ref() {
        return Err(if open.name == name {
            Error::new(
                SqlState::DUPLICATE_CURSOR,
                format!("cursor \"{}\" already exists", name),
            )
        } else {
            blueshift_sql::Error::unsupported(
                "more than one open cursor in a session",
                format!("CLOSE \"{}\" first.", open.name),
            )
            .into()
        });
    }
    let body = Box::pin(super::select::run_anew(ctx, query)).await?;
    let Body::Rows {
        columns, stream, ..
    } = body
    else {
        return Err(Error::internal("a query has rows"));
    };
    let facts = Arc::new(CursorFacts {
        userid: ctx.user.oid,
        name: name.to_owned(),
        xid: ctx.transaction.xid,
        pid: ctx.pid,
        starttime_us: now_us(),
        ..CursorFacts::default()
    });
    let history = ctx.server.history.clone();
    history.show_cursor(&facts);
    let end = CursorEnd {
        history,
        facts,
        query: ctx.query,
        plans: ctx.plans.hand_over(),
    };
    *ctx.cursor = Some(OpenCursor {
        name: name.to_string(),
        columns,
        schema: stream.schema(),
        is_queued: ctx.plans.ticket().is_some_and(|ticket| ticket.has_slots()),
        rows: Arc::new(Mutex::new(Rows {
            stream,
            rest: None,
            current: None,
            end,
        })),
    });
    Ok(())
}

/// Runs a FETCH: its rows are read as the client takes them.
pub async fn fetch(ctx: &mut Context<'_>, fetch: &Fetch) -> Result<Body> {
    let cursor = find(ctx, &fetch.name)?.clone();
    let columns = cursor.columns.clone();
    if fetch.count == Some(0) {
        let current = cursor.rows.lock().await.current.clone();
        let batches = current.into_iter().collect();
        return Ok(Body::Rows {
            columns,
            stream: Box::pin(MemoryStream::try_new(batches, cursor.schema, None)?),
            tag: "FETCH",
        });
    }
    if cursor.is_queued {
        ctx.plans.admit_work().await?;
    }
    let count = fetch.count.map_or(usize::MAX, |count| {
        usize::try_from(count).unwrap_or(usize::MAX)
    });
    let rows = futures::stream::unfold((cursor.rows, count), |(rows, left)| async move {
        if left == 0 {
            return None;
        }
        let batch = rows.lock().await.next(left).await?;
        let left = match &batch {
            Ok(batch) => left.saturating_sub(batch.num_rows()),
            Err(_) => 0,
        };
        Some((batch, (rows, left)))
    });
    Ok(Body::Rows {
        columns,
        stream: Box::pin(RecordBatchStreamAdapter::new(cursor.schema, rows)),
        tag: "FETCH",
    })
}

/// Runs a CLOSE; `None` closes all.
pub fn close(ctx: &mut Context<'_>, name: Option<&str>) -> Result<Body> {
    if let Some(name) = name {
        find(ctx, name)?;
    }
    *ctx.cursor = None;
    Ok(Body::done(match name {
        Some(_) => "CLOSE CURSOR",
        None => "CLOSE CURSOR ALL",
    }))
}

fn find<'a>(ctx: &'a Context<'_>, name: &str) -> Result<&'a OpenCursor> {
    ctx.cursor
        .as_ref()
        .filter(|open| open.name == name)
        .ok_or_else(|| {
            Error::new(
                SqlState::INVALID_CURSOR_NAME,
                format!("cursor \"{name}\" does not exist"),
            )
        })
}
