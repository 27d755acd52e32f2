//! Prepared statements, and parameters that come as arrow batches.

use super::batch;
use super::client::{Client, Clients, lock};
use super::run::{self, refused};
use crate::error::sqlstate::{self, Report};
use crate::session::{OutputColumn, Parameter, PreparedStatement, TransactionStatus};
use arrow::array::{Array, RecordBatch};
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_schema::{Field, Schema};
use blueshift_sql::{SqlState, SqlType};
use futures::{Stream, StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use tonic::Status;

/// Prepared statements of one session at most.
const STATEMENTS_MAX: usize = 10_000;
/// Bytes of a handle.
const HANDLE_BYTES: usize = 8;

/// The prepared statements of a session.
#[derive(Default)]
pub(super) struct Statements {
    by_handle: HashMap<u64, Prepared>,
    last: u64,
}

/// A prepared statement.
#[derive(Clone)]
pub(super) struct Prepared {
    statement: Arc<PreparedStatement>,
    /// The values bound for its next run as a query.
    bound: Vec<Parameter>,
}

impl Prepared {
    /// Gives the schema of its rows; it has no fields if it gives none.
    pub(super) fn schema(&self) -> Schema {
        batch::schema(self.columns())
    }

    /// Tells whether it gives rows.
    pub(super) fn has_rows(&self) -> bool {
        self.statement.columns.is_some()
    }

    fn columns(&self) -> &[OutputColumn] {
        self.statement.columns.as_deref().unwrap_or_default()
    }

    /// Gives the types of its parameters, `$1` and so on.
    pub(super) fn parameters(&self) -> Schema {
        let types = self.statement.parameters.iter();
        let fields = types.zip(1..).map(|(ty, number): (&SqlType, u32)| {
            let column = OutputColumn {
                name: format!("${number}"),
                ty: *ty,
                arrow: ty.arrow(),
            };
            let schema = batch::schema(&[column]);
            schema
                .fields()
                .first()
                .map(|field: &Arc<Field>| Arc::clone(field))
        });
        Schema::new(fields.flatten().collect::<Vec<_>>())
    }
}

/// Parses and describes a statement in the session's turn.
pub(super) async fn describe(
    clients: &Clients,
    client: &Client,
    text: String,
) -> Result<Prepared, Status> {
    let mut turn = run::turn(client).await?;
    let work = async move { turn.prepare(&text, &[]).await };
    let statement = run::on_sessions(clients, client, work).await?;
    Ok(Prepared {
        statement: Arc::new(statement),
        bound: Vec::new(),
    })
}

/// Keeps a statement; gives its handle.
pub(super) fn keep(client: &Client, prepared: Prepared) -> Result<[u8; HANDLE_BYTES], Status> {
    let mut statements = lock(&client.statements);
    if statements.by_handle.len() >= STATEMENTS_MAX {
        return Err(refused(&Report::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("{STATEMENTS_MAX} statements are prepared: close some"),
        )));
    }
    statements.last += 1;
    let handle = statements.last;
    statements.by_handle.insert(handle, prepared);
    Ok(handle.to_be_bytes())
}

/// Forgets a statement.
pub(super) fn forget(client: &Client, handle: &[u8]) {
    if let Ok(handle) = handle.try_into() {
        lock(&client.statements)
            .by_handle
            .remove(&u64::from_be_bytes(handle));
    }
}

/// Finds a statement.
pub(super) fn find(client: &Client, handle: &[u8]) -> Result<Prepared, Status> {
    let handle: Option<[u8; HANDLE_BYTES]> = handle.try_into().ok();
    let statements = lock(&client.statements);
    let found = handle.and_then(|handle| statements.by_handle.get(&u64::from_be_bytes(handle)));
    found
        .cloned()
        .ok_or_else(|| Status::not_found("no prepared statement has this handle"))
}

/// Binds the values of a query's next run: one row of them.
pub(super) async fn bind(
    client: &Client,
    handle: &[u8],
    data: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<(), Status> {
    let prepared = find(client, handle)?;
    let mut batches = decoded(data);
    let mut bound = None;
    while let Some(batch) = batches.try_next().await? {
        for row in 0..batch.num_rows() {
            if bound
                .replace(values(&prepared.statement, &batch, row)?)
                .is_some()
            {
                return Err(Status::unimplemented(
                    "a query is run with one row of parameters; run it once per row",
                ));
            }
        }
    }
    let handle = handle
        .try_into()
        .map(u64::from_be_bytes)
        .unwrap_or_default();
    if let Some(prepared) = lock(&client.statements).by_handle.get_mut(&handle) {
        prepared.bound = bound.unwrap_or_default();
    }
    Ok(())
}

/// Runs a prepared query with the values bound last.
pub(super) async fn query(
    clients: &Clients,
    client: &Client,
    handle: &[u8],
) -> Result<futures::stream::BoxStream<'static, Result<FlightData, Status>>, Status> {
    let Prepared { statement, bound } = find(client, handle)?;
    let turn = run::turn(client).await?;
    let parsed = Arc::clone(&statement.parsed);
    let (turn, body) = run::run(clients, client, turn, parsed, bound).await?;
    Ok(run::messages(clients, turn, body))
}

/// Runs a statement without rows with the values bound last; gives how many rows it changed.
pub(super) async fn run_once(
    clients: &Clients,
    client: &Client,
    prepared: Prepared,
) -> Result<i64, Status> {
    let turn = run::turn(client).await?;
    let Prepared { statement, bound } = prepared;
    let parsed = Arc::clone(&statement.parsed);
    let (turn, body) = run::run(clients, client, turn, parsed, bound).await?;
    Ok(run::count(clients, client, turn, body).await?.1)
}

/// Runs a prepared statement once per row of parameters, in one transaction; gives how many rows it changed.
pub(super) async fn update(
    clients: &Clients,
    client: &Client,
    handle: &[u8],
    data: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<i64, Status> {
    let Prepared { statement, .. } = find(client, handle)?;
    let mut batches = decoded(data);
    let mut turn = run::turn(client).await?;
    let begins =
        turn.transaction_status() == TransactionStatus::Idle && !statement.parameters.is_empty();
    if begins {
        drop(turn);
        turn = run::run_text(clients, client, "BEGIN").await?.0;
    }
    let mut all = Updates {
        clients,
        client,
        statement: &statement,
        rows: 0,
        runs: 0,
    };
    let outcome = all.run(turn, &mut batches).await;
    if begins {
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        run::run_text(clients, client, end).await?;
    }
    outcome.map(|()| all.rows)
}

struct Updates<'a> {
    clients: &'a Clients,
    client: &'a Client,
    statement: &'a PreparedStatement,
    rows: i64,
    runs: u64,
}

impl Updates<'_> {
    async fn run(
        &mut self,
        mut turn: run::Turn,
        batches: &mut (impl Stream<Item = Result<RecordBatch, Status>> + Unpin),
    ) -> Result<(), Status> {
        while let Some(batch) = batches.try_next().await? {
            for row in 0..batch.num_rows() {
                let values = values(self.statement, &batch, row)?;
                turn = self.once(turn, values).await?;
            }
        }
        // Without parameters it runs once.
        match self.runs {
            0 => self.once(turn, Vec::new()).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn once(&mut self, turn: run::Turn, values: Vec<Parameter>) -> Result<run::Turn, Status> {
        let parsed = Arc::clone(&self.statement.parsed);
        let (turn, body) = run::run(self.clients, self.client, turn, parsed, values).await?;
        let (turn, rows) = run::count(self.clients, self.client, turn, body).await?;
        self.rows += rows;
        self.runs += 1;
        Ok(turn)
    }
}

fn decoded(
    data: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch, Status>> + Unpin {
    let data = data.map(|message| message.map_err(FlightError::from));
    let batches = FlightRecordBatchStream::new_from_flight_data(data);
    batches.map(|batch| batch.map_err(|error| Status::invalid_argument(error.to_string())))
}

/// Gives the parameters of one row in the types of the statement.
fn values(
    statement: &PreparedStatement,
    batch: &RecordBatch,
    row: usize,
) -> Result<Vec<Parameter>, Status> {
    let (given, wanted) = (batch.num_columns(), statement.parameters.len());
    if given != wanted {
        return Err(refused(&Report::new(
            SqlState::PROTOCOL_VIOLATION,
            format!("{given} parameters were given, the statement needs {wanted}"),
        )));
    }
    let columns = batch.columns().iter().zip(&statement.parameters);
    let value = |(column, ty): (&arrow::array::ArrayRef, &SqlType)| {
        let value = Parameter::try_from_array(&column.slice(row, 1), 0)?;
        value.cast_to(&ty.arrow())
    };
    columns
        .map(|pair| value(pair).map_err(|error| refused(&sqlstate::report(&error.into()))))
        .collect()
}
