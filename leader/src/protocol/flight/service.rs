//! The calls of Flight SQL, each a few lines: who asks, then the work, then messages.

use super::client::{Client, Clients, lock};
use super::run::{self, ready};
use super::{Peer, catalog, info, prepared};
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginTransactionRequest, ActionBeginTransactionResult, ActionCancelQueryRequest,
    ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    ActionEndTransactionRequest, CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo,
    CommandGetTableTypes, CommandGetTables, CommandPreparedStatementQuery,
    CommandPreparedStatementUpdate, CommandStatementQuery, CommandStatementUpdate,
    DoPutPreparedStatementResult, EndTransaction, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse,
    IpcMessage, SchemaAsIpc, Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::Schema;
use bytes::Bytes;
use futures::Stream;
use futures::stream::StreamExt;
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

/// What ends a session; it has no message of its own in the library.
const CLOSE_SESSION: &str = "CloseSession";

type Messages = Response<<Service as FlightService>::DoGetStream>;
type Handshake = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

/// The service.
pub(super) struct Service {
    clients: Arc<Clients>,
}

impl Service {
    pub(super) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    fn client<T>(&self, request: &Request<T>) -> Result<Arc<Client>, Status> {
        let line = request.extensions().get::<Peer>().map(|peer| &peer.line);
        self.clients.of(request.metadata(), line)
    }

    /// Finds who asks, who must say in which transaction if one is open.
    fn client_in<T>(
        &self,
        request: &Request<T>,
        transaction: Option<&Bytes>,
    ) -> Result<Arc<Client>, Status> {
        let client = self.client(request)?;
        let open = lock(&client.transaction).map(|number| Bytes::from(number.to_string()));
        match (open.as_ref(), transaction) {
            (Some(open), Some(asked)) if open == asked => Ok(client),
            (None, None) => Ok(client),
            (None, Some(_)) => Err(Status::not_found("no transaction has this id")),
            (Some(_), _) => Err(Status::failed_precondition(
                "a transaction of this session is open: name it, or end it first",
            )),
        }
    }
}

/// Makes the answer to "where are these rows": here, by a ticket that is the command itself.
fn here(
    schema: &Schema,
    command: &impl ProstMessageExt,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(command.as_any().encode_to_vec());
    let endpoint = FlightEndpoint::new().with_ticket(ticket);
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(
        info.with_endpoint(endpoint)
            .with_descriptor(request.into_inner()),
    ))
}

/// Answers for a statement without rows, which has run: clients ask for its rows late or never, and send the next
/// statement meanwhile.
fn done(rows: i64, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
    let info = FlightInfo::new()
        .try_with_schema(&Schema::empty())
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(
        info.with_total_records(rows)
            .with_descriptor(request.into_inner()),
    ))
}

fn ipc(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &options)
        .try_into()
        .map_err(|error: arrow_schema::ArrowError| Status::internal(error.to_string()))?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> Result<String, Status> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Status::invalid_argument("a statement is not UTF-8"))
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Service;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Handshake>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let token = self.clients.log_in(request.metadata(), peer).await?;
        let bearer = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Status::internal("no token"))?;
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: token.into(),
        };
        let stream: Handshake = futures::stream::iter([Ok(answer)]).boxed();
        let mut response = Response::new(stream);
        response.metadata_mut().insert("authorization", bearer);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let client = self.client_in(&request, query.transaction_id.as_ref())?;
        let described = prepared::describe(&self.clients, &client, query.query.clone()).await?;
        if !described.has_rows() {
            let rows = prepared::run_once(&self.clients, &client, described).await?;
            return done(rows, request);
        }
        let ticket = TicketStatementQuery {
            statement_handle: query.query.into(),
        };
        here(&described.schema(), &ticket, request)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Messages, Status> {
        let client = self.client(&request)?;
        let text = text(&ticket.statement_handle)?;
        let (turn, body) = run::run_text(&self.clients, &client, &text).await?;
        Ok(Response::new(run::messages(&self.clients, turn, body)))
    }

    async fn do_put_statement_update(
        &self,
        update: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let client = self.client_in(&request, update.transaction_id.as_ref())?;
        let (turn, body) = run::run_text(&self.clients, &client, &update.query).await?;
        Ok(run::count(&self.clients, &client, turn, body).await?.1)
    }

    async fn do_action_create_prepared_statement(
        &self,
        statement: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let client = self.client_in(&request, statement.transaction_id.as_ref())?;
        let described = prepared::describe(&self.clients, &client, statement.query).await?;
        let (dataset_schema, parameter_schema) =
            (ipc(&described.schema())?, ipc(&described.parameters())?);
        let handle = prepared::keep(&client, described)?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.to_vec().into(),
            dataset_schema,
            parameter_schema,
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        statement: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        prepared::forget(
            &*self.client(&request)?,
            &statement.prepared_statement_handle,
        );
        Ok(())
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let client = self.client(&request)?;
        let found = prepared::find(&client, &query.prepared_statement_handle)?;
        if !found.has_rows() {
            let rows = prepared::run_once(&self.clients, &client, found).await?;
            return done(rows, request);
        }
        here(&found.schema(), &query, request)
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let client = self.client(&request)?;
        let handle = query.prepared_statement_handle;
        prepared::bind(&client, &handle, request.into_inner()).await?;
        Ok(DoPutPreparedStatementResult {
            prepared_statement_handle: Some(handle),
        })
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Messages, Status> {
        let client = self.client(&request)?;
        let messages =
            prepared::query(&self.clients, &client, &query.prepared_statement_handle).await?;
        Ok(Response::new(messages))
    }

    async fn do_put_prepared_statement_update(
        &self,
        update: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let client = self.client(&request)?;
        let handle = update.prepared_statement_handle;
        prepared::update(&self.clients, &client, &handle, request.into_inner()).await
    }

    async fn do_action_begin_transaction(
        &self,
        _: ActionBeginTransactionRequest,
        request: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        let client = self.client_in(&request, None)?;
        run::run_text(&self.clients, &client, "BEGIN").await?;
        let number = client.next_transaction();
        *lock(&client.transaction) = Some(number);
        Ok(ActionBeginTransactionResult {
            transaction_id: number.to_string().into(),
        })
    }

    async fn do_action_end_transaction(
        &self,
        end: ActionEndTransactionRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let client = self.client_in(&request, Some(&end.transaction_id))?;
        let word = match end.action() {
            EndTransaction::Commit => "COMMIT",
            EndTransaction::Rollback => "ROLLBACK",
            EndTransaction::Unspecified => {
                return Err(Status::invalid_argument(
                    "a transaction ends with a commit or a rollback",
                ));
            }
        };
        // However it ends, it has ended.
        *lock(&client.transaction) = None;
        run::run_text(&self.clients, &client, word).await?;
        Ok(())
    }

    async fn do_action_cancel_query(
        &self,
        _: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        self.client(&request)?.cancel.cancel();
        let result = arrow_flight::CancelStatus::Cancelling as i32;
        Ok(ActionCancelQueryResult { result })
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let asked = &request.get_ref().r#type;
        if asked == CLOSE_SESSION {
            self.client(&request)?;
            self.clients.close(request.metadata());
            // CloseSessionResult with its one field, the status CLOSED.
            let closed = arrow_flight::Result::new(Bytes::from_static(&[0x08, 0x01]));
            return Ok(Response::new(futures::stream::iter([Ok(closed)]).boxed()));
        }
        Err(Status::unimplemented(format!(
            "the action {asked:?} is not supported"
        )))
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.client(&request)?;
        here(&query.into_builder().schema(), &query, request)
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Result<Messages, Status> {
        let client = self.client(&request)?;
        Ok(Response::new(ready(
            catalog::catalogs(&self.clients, &client, query).await?,
        )))
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.client(&request)?;
        here(&query.clone().into_builder().schema(), &query, request)
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Result<Messages, Status> {
        let client = self.client(&request)?;
        Ok(Response::new(ready(
            catalog::schemas(&self.clients, &client, query).await?,
        )))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.client(&request)?;
        here(&query.clone().into_builder().schema(), &query, request)
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        request: Request<Ticket>,
    ) -> Result<Messages, Status> {
        let client = self.client(&request)?;
        Ok(Response::new(ready(
            catalog::tables(&self.clients, &client, query).await?,
        )))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.client(&request)?;
        here(&query.into_builder().schema(), &query, request)
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Result<Messages, Status> {
        self.client(&request)?;
        Ok(Response::new(ready(catalog::table_types(query)?)))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.client(&request)?;
        let all = info::all().map_err(|error| Status::internal(error.to_string()))?;
        here(&query.clone().into_builder(&all).schema(), &query, request)
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Result<Messages, Status> {
        self.client(&request)?;
        let wrong = |error: arrow_flight::error::FlightError| Status::internal(error.to_string());
        let all = info::all().map_err(wrong)?;
        Ok(Response::new(ready(
            query.into_builder(&all).build().map_err(wrong)?,
        )))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
