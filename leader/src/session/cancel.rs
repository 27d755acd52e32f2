//! Stops what a session runs: on request, when time is up, or when the socket breaks.

use crate::error::Error;
use crate::error::sqlstate::report;
use crate::history::History;
use crate::history::activity::RunningStatement;
use crate::history::control::SessionControl;
use crate::history::control::StopSign;
use crate::history::executed::ExecutedQuery;
use crate::history::store::Requester;
use crate::history::{Failure, now_us};
use crate::planner::log::PlanLog;
use crate::wlm::admission::Ticket;
use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use blueshift_sql::SqlState;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::Stream;
use futures::future::BoxFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// To read what a statement did that took less, in microseconds, is a part of it that is felt.
const LIGHT_US: i64 = 10_000;

/// Stops what a session runs; cheap to clone, used from other connections and on a broken socket.
#[derive(Clone, Debug, Default)]
pub struct CancelHandle {
    pub(super) control: Arc<SessionControl>,
}

impl CancelHandle {
    /// Cancels the running statement, rows on the way included; without one, nothing happens.
    pub fn cancel(&self) {
        self.control.cancel(None);
    }

    /// Waits until another session ends this one.
    pub async fn terminated(&self) {
        self.control.terminated.cancelled().await;
    }
}

/// The error of a canceled statement.
pub fn canceled(query: i64) -> Error {
    Error::new(SqlState::QUERY_CANCELED, canceled_text(query))
}

/// The error of a statement that took longer than `statement_timeout`; Redshift's text is that of any cancel.
pub fn timed_out(query: i64) -> Error {
    blueshift_sql::Error::new(SqlState::QUERY_CANCELED, canceled_text(query))
        .with_detail("The statement took longer than statement_timeout.")
        .with_hint("Raise statement_timeout, or set it to 0.")
        .into()
}

fn canceled_text(query: i64) -> String {
    format!("Query ({query}) canceled on user's request")
}

/// The error of a panic: a bug of ours, told with the query id by which the log finds it.
pub fn panicked(query: i64) -> Error {
    blueshift_sql::Error::new(
        SqlState::INTERNAL_ERROR,
        format!("internal error while running query {query}"),
    )
    .with_hint("The statement was ended and the server goes on. Please report the log lines of this query.")
    .into()
}

/// Waits until a statement must stop, and says why.
pub async fn must_stop(
    token: CancellationToken,
    control: Arc<SessionControl>,
    deadline: Option<Instant>,
    ticket: Arc<Ticket>,
) -> Error {
    let query = ticket.query();
    let asked = async {
        token.cancelled().await;
        match ticket.message().or_else(|| control.message()) {
            Some(message) => Error::new(SqlState::QUERY_CANCELED, message),
            None => canceled(query),
        }
    };
    match deadline {
        Some(deadline) => tokio::select! {
            error = asked => error,
            () = tokio::time::sleep_until(deadline) => timed_out(query),
        },
        None => asked.await,
    }
}

/// Writes the end of a statement to the history, when dropped at the latest.
pub struct StatementEnd {
    history: Arc<History>,
    plans: Arc<PlanLog>,
    ticket: Arc<Ticket>,
    statement: Option<RunningStatement>,
    query: i64,
    xid: i64,
    outcome: Result<(), Option<Failure>>,
}

impl StatementEnd {
    /// Begins; the statement counts as aborted until [`StatementEnd::succeed`].
    pub fn new(
        history: Arc<History>,
        statement: RunningStatement,
        stop: StopSign,
        ticket: Arc<Ticket>,
    ) -> Self {
        let query = statement.query;
        let plans = PlanLog::over(Arc::clone(&statement.plans), stop);
        Self {
            history,
            plans: Arc::new(plans.with_ticket(Arc::clone(&ticket))),
            ticket,
            statement: Some(statement),
            query,
            xid: 0,
            outcome: Err(None),
        }
    }

    /// Gives the query id.
    pub fn query(&self) -> i64 {
        self.query
    }

    /// Gives the statement's way through the queues.
    pub fn ticket(&self) -> Arc<Ticket> {
        Arc::clone(&self.ticket)
    }

    /// Gives where the statement's plans are noted.
    pub fn plans(&self) -> Arc<PlanLog> {
        Arc::clone(&self.plans)
    }

    /// Notes the transaction of the statement.
    pub fn set_xid(&mut self, xid: i64) {
        self.xid = xid;
    }

    /// Notes that the statement ended well.
    pub fn succeed(&mut self) {
        self.outcome = Ok(());
    }

    /// Notes what the statement failed by.
    pub fn fail(&mut self, error: &Error) {
        let report = report(error);
        self.outcome = Err(Some(Failure {
            code: report.code.0.to_owned(),
            message: report.message,
        }));
    }
}

impl Drop for StatementEnd {
    fn drop(&mut self) {
        if let Some(mut statement) = self.statement.take() {
            let who = Requester {
                userid: statement.userid,
                query: statement.query,
                pid: statement.pid,
            };
            self.plans.note_requests(&self.history, who);
            statement.source = self.plans.source();
            let wlm = self.ticket.finish(self.outcome.is_ok());
            if let Some(ran) = self.plans.ran() {
                let (userid, query, pid) = (statement.userid, statement.query, statement.pid);
                let (xid, endtime_us) = (self.xid, now_us());
                let history = Arc::clone(&self.history);
                let took_us = endtime_us - statement.starttime_us;
                let is_light = took_us < LIGHT_US && ran.is_plain();
                let read = Box::new(move || {
                    if let Some(executed) = ran.read() {
                        history.executed(ExecutedQuery {
                            userid,
                            query,
                            xid,
                            pid,
                            endtime_us,
                            executed,
                            alerts: Vec::new(),
                        });
                    }
                });
                self.history.later.add(pid, read, is_light);
            }
            self.history
                .end_statement(statement, self.xid, self.outcome.clone(), wlm);
        }
    }
}

/// The rows of a statement, stopped by cancel and timeout, with panics turned into errors; its end is the
/// statement's.
pub struct StatementStream {
    inner: SendableRecordBatchStream,
    stop: BoxFuture<'static, Error>,
    end: StatementEnd,
    is_over: bool,
}

impl StatementStream {
    /// Wraps the rows of a statement.
    pub fn new(
        inner: SendableRecordBatchStream,
        stop: BoxFuture<'static, Error>,
        end: StatementEnd,
    ) -> Self {
        Self {
            inner,
            stop,
            end,
            is_over: false,
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<EngineResult<RecordBatch>>> {
        self.is_over = true;
        self.end.fail(&error);
        Poll::Ready(Some(Err(DataFusionError::External(Box::new(error)))))
    }
}

impl Stream for StatementStream {
    type Item = EngineResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(error) = self.stop.as_mut().poll(cx) {
            return self.fail(error);
        }
        self.end.ticket.asked();
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll_next(cx))) {
            Err(_) => {
                let query = self.end.query();
                self.fail(panicked(query))
            }
            Ok(Poll::Ready(None)) => {
                self.is_over = true;
                self.end.succeed();
                Poll::Ready(None)
            }
            Ok(Poll::Ready(Some(Err(error)))) => {
                // What was told to stop while it ran tells why itself.
                if let Poll::Ready(error) = self.stop.as_mut().poll(cx) {
                    return self.fail(error);
                }
                self.is_over = true;
                let error = Error::from(error);
                self.end.fail(&error);
                let error = DataFusionError::External(Box::new(error));
                Poll::Ready(Some(Err(error)))
            }
            Ok(other) => {
                if let Poll::Ready(Some(Ok(batch))) = &other {
                    self.end.ticket.returned(batch.num_rows() as u64);
                }
                other
            }
        }
    }
}

impl RecordBatchStream for StatementStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
