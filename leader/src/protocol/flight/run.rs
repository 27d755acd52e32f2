//! Statements on the sessions' runtime, and their rows on the way to the client.

use super::batch::Shape;
use super::client::{Client, Clients};
use crate::error::sqlstate::{self, Report};
use crate::protocol::damage;
use crate::session::{Answer, Body, OutputColumn, Parameter, Session};
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use blueshift_sql::SqlState;
use blueshift_sql::statement::Parsed;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// How long a statement waits for the one before it in its session.
const BUSY_MAX: Duration = Duration::from_secs(30);
/// Messages that wait for the socket, of about 2 MB at most.
const MESSAGES_MAX: usize = 2;
/// Under this name an error's SQLSTATE goes with it.
const STATE_HEADER: &str = "sqlstate";

/// A session while a statement runs in it.
pub(super) type Turn = OwnedMutexGuard<Session>;

/// Waits for a session's turn.
pub(super) async fn turn(client: &Client) -> Result<Turn, Status> {
    let waited = tokio::time::timeout(BUSY_MAX, Arc::clone(&client.session).lock_owned());
    waited.await.map_err(|_| {
        Status::failed_precondition(
            "another result of this connection is still being read: read or close it first, or open a second connection",
        )
    })
}

/// Runs work on the sessions' runtime. If nobody waits for it any more, it is canceled.
pub(super) async fn on_sessions<T: Send + 'static>(
    clients: &Clients,
    client: &Client,
    work: impl Future<Output = Result<T, crate::Error>> + Send + 'static,
) -> Result<T, Status> {
    let server = &clients.shared.server;
    let sessions = &server.node.resources.sessions;
    let mut left = CancelWhenLeft(Some(client));
    let joined = sessions.spawn(AssertUnwindSafe(work).catch_unwind()).await;
    left.0 = None;
    let report = match joined {
        Ok(Ok(Ok(value))) => return Ok(value),
        Ok(Ok(Err(error))) => sqlstate::report(&error),
        Ok(Err(_)) | Err(_) => sqlstate::panicked(),
    };
    Err(refused(&match server.transactions.committed_catalog() {
        Ok(catalog) => damage::with_names(report, &catalog),
        Err(_) => report,
    }))
}

struct CancelWhenLeft<'a>(Option<&'a Client>);

impl Drop for CancelWhenLeft<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.0 {
            client.cancel.cancel();
        }
    }
}

/// Runs one statement in its turn, which comes back with the answer.
pub(super) async fn run(
    clients: &Clients,
    client: &Client,
    mut turn: Turn,
    parsed: Arc<Parsed>,
    parameters: Vec<Parameter>,
) -> Result<(Turn, Body), Status> {
    let work = async move {
        if let Some(Answer { body, .. }) = turn.append(&parsed, &parameters) {
            return Ok((turn, body));
        }
        let Answer { body, .. } = Box::pin(turn.run(&parsed, &parameters)).await?;
        Ok((turn, body))
    };
    on_sessions(clients, client, work).await
}

/// Runs a text of one statement.
pub(super) async fn run_text(
    clients: &Clients,
    client: &Client,
    text: &str,
) -> Result<(Turn, Body), Status> {
    let turn = turn(client).await?;
    let parsed = crate::session::prepared::parse_one(&turn.settings().folded(text));
    let parsed = parsed.map_err(|error| refused(&sqlstate::report(&error)))?;
    run(clients, client, turn, Arc::new(parsed), Vec::new()).await
}

/// Runs an answer to its end; gives how many rows it changed or had.
pub(super) async fn count(
    clients: &Clients,
    client: &Client,
    turn: Turn,
    body: Body,
) -> Result<(Turn, i64), Status> {
    match body {
        Body::Empty => Ok((turn, 0)),
        // `INSERT 0 5`, `UPDATE 5`; others count nothing.
        Body::Done { tag } => {
            let last = tag.rsplit(' ').next();
            Ok((turn, last.and_then(|count| count.parse().ok()).unwrap_or(0)))
        }
        Body::Rows { mut stream, .. } => {
            let work = async move {
                let mut turn = turn;
                let mut rows = 0;
                while let Some(batch) = stream.next().await {
                    match batch {
                        Ok(batch) => rows += batch.num_rows() as i64,
                        Err(error) => {
                            turn.fail();
                            return Err(error.into());
                        }
                    }
                }
                Ok((turn, rows))
            };
            on_sessions(clients, client, work).await
        }
    }
}

/// Gives the messages of an answer; those of a statement without rows have an empty schema. The session is the
/// statement's until the last of them, or until the client leaves.
pub(super) fn messages(
    clients: &Clients,
    mut turn: Turn,
    body: Body,
) -> BoxStream<'static, Result<FlightData, Status>> {
    let (columns, stream): (Vec<OutputColumn>, Option<SendableRecordBatchStream>) = match body {
        Body::Rows {
            columns, stream, ..
        } => (columns, Some(stream)),
        Body::Done { .. } | Body::Empty => (Vec::new(), None),
    };
    let shape = Arc::new(Shape::new(&columns, turn.text_style()));
    let (sender, mut receiver) = mpsc::channel(MESSAGES_MAX);
    let sessions = &clients.shared.server.node.resources.sessions;
    sessions.spawn(async move {
        let pumped = AssertUnwindSafe(pump(shape, stream, &sender)).catch_unwind();
        let status = tokio::select! {
            outcome = pumped => match outcome {
                Ok(Ok(())) => return,
                Ok(Err(status)) => status,
                Err(_) => refused(&sqlstate::panicked()),
            },
            // Nobody reads on: the plan ends with its stream.
            () = sender.closed() => return,
        };
        turn.fail();
        // Nobody waits for the error if the client is gone.
        let _gone = sender.send(Err(status)).await;
    });
    futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

async fn pump(
    shape: Arc<Shape>,
    stream: Option<SendableRecordBatchStream>,
    sender: &mpsc::Sender<Result<FlightData, Status>>,
) -> Result<(), Status> {
    let schema = shape.schema();
    let batches = match stream {
        Some(stream) => stream.left_stream(),
        None => futures::stream::empty().right_stream(),
    };
    let batches = batches.map(move |batch| {
        let shaped = batch.and_then(|batch| Ok(shape.batch(&batch)?));
        shaped.map_err(|error| FlightError::from(refused(&sqlstate::report(&error.into()))))
    });
    let mut messages = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(batches);
    while let Some(message) = messages.next().await {
        let message = message.map_err(Status::from)?;
        if sender.send(Ok(message)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Gives batches that are there already as messages.
pub(super) fn ready(
    batch: arrow::array::RecordBatch,
) -> BoxStream<'static, Result<FlightData, Status>> {
    let schema = batch.schema();
    let batches = futures::stream::iter([Ok(batch)]);
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(batches);
    messages
        .map(|message| message.map_err(Status::from))
        .boxed()
}

/// Tells an error as gRPC does: its class as a code, the rest in words, the SQLSTATE beside it.
pub(super) fn refused(report: &Report) -> Status {
    let mut text = report.message.clone();
    if let Some(position) = report.position {
        text.push_str(&format!(" at character {position}"));
    }
    for (word, more) in [("DETAIL", &report.detail), ("HINT", &report.hint)] {
        if let Some(more) = more {
            text.push_str(&format!("\n{word}:  {more}"));
        }
    }
    let mut status = Status::new(code(report.code), text);
    if let Ok(state) = MetadataValue::try_from(report.code.0) {
        status.metadata_mut().insert(STATE_HEADER, state);
    }
    status
}

fn code(state: SqlState) -> Code {
    if state == SqlState::INSUFFICIENT_PRIVILEGE {
        return Code::PermissionDenied;
    }
    if state == SqlState::QUERY_CANCELED {
        return Code::Cancelled;
    }
    match state.0.get(..2) {
        Some("28") => Code::Unauthenticated,
        Some("0A") => Code::Unimplemented,
        Some("53" | "54") => Code::ResourceExhausted,
        Some("40") => Code::Aborted,
        Some("25" | "55") => Code::FailedPrecondition,
        Some("57") => Code::Unavailable,
        Some("58" | "XX") => Code::Internal,
        _ => Code::InvalidArgument,
    }
}
