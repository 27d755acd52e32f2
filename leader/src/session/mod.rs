//! One connection: its state, prepared statements, names, and `Session::run`.

use crate::error::Result;
use crate::server::Server;
use blueshift_sql::SqlType;
use blueshift_sql::statement::Parsed;
use datafusion::execution::SendableRecordBatchStream;
use std::net::SocketAddr;
use std::sync::Arc;

/// Who connects, after the password was checked.
#[derive(Clone, Debug)]
pub struct LoginFacts {
    /// The user's name.
    pub user: String,
    /// The database asked for.
    pub database: String,
    /// Start-up parameters, lower-case names; unknown ones are kept and harmless.
    pub parameters: Vec<(String, String)>,
    /// The peer, if it has an address.
    pub peer: Option<SocketAddr>,
    /// The process id given to the client for cancel requests.
    pub pid: i32,
}

/// A message beside the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `INFO`, `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// The SQLSTATE.
    pub code: blueshift_sql::SqlState,
    /// The text.
    pub message: String,
}

/// A column of an answer as RowDescription tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its type, which gives OID, size and modifier.
    pub ty: SqlType,
    /// Its arrow type in the batches.
    pub arrow: arrow_schema::DataType,
}

/// What a statement answers.
pub struct Answer {
    /// Sent before the rest.
    pub notices: Vec<Notice>,
    /// Changed settings the client is told of (ParameterStatus).
    pub changed_parameters: Vec<(String, String)>,
    /// Rows or a tag.
    pub body: Body,
}

/// Rows or a tag.
pub enum Body {
    /// Rows; the tag is `tag` followed by the row count.
    Rows {
        /// The columns.
        columns: Vec<OutputColumn>,
        /// The batches. An error in it fails the transaction: the protocol calls `Session::fail`.
        stream: SendableRecordBatchStream,
        /// `SELECT`, `FETCH`, `SHOW`, `EXPLAIN`.
        tag: &'static str,
    },
    /// A tag alone, complete: `INSERT 0 5`, `CREATE TABLE`.
    Done {
        /// The tag.
        tag: String,
    },
    /// The statement was empty.
    Empty,
}

/// A parsed and described statement of the extended protocol.
pub struct PreparedStatement {
    /// The statement; empty text parses to `Statement::Empty`.
    pub parsed: Parsed,
    /// Types of `$1`...: as the client said, else inferred, else `Varchar`.
    pub parameters: Vec<SqlType>,
    /// The columns it answers with; `None` without rows.
    pub columns: Option<Vec<OutputColumn>>,
}

/// A bound parameter value, decoded by the protocol from text or binary.
pub type Parameter = datafusion::common::ScalarValue;

/// Where the transaction stands, for ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside a transaction block.
    Idle,
    /// Inside one.
    Open,
    /// Inside one that failed.
    Failed,
}

/// Stops what a session runs; cheap to clone, used from other connections and on a broken socket.
#[derive(Clone, Debug, Default)]
pub struct CancelHandle {
    /// Wakes the running statement.
    pub notify: Arc<tokio::sync::Notify>,
}

/// One connection.
pub struct Session {
    /// What all share.
    pub server: Arc<Server>,
}

impl Session {
    /// Opens a session for a user who proved who they are. Fails if the database does not exist.
    pub fn open(server: Arc<Server>, login: LoginFacts) -> Result<Session> {
        let _ = (server, login);
        todo!("core")
    }

    /// Parses and describes one statement for the extended protocol (more than one is an error 42601
    /// `cannot insert multiple commands into a prepared statement`). `types` are OIDs given by the client, 0 if
    /// unknown.
    pub async fn prepare(&mut self, text: &str, types: &[u32]) -> Result<PreparedStatement> {
        let _ = (text, types);
        todo!("core")
    }

    /// Runs one statement: opens or joins a transaction, runs, and commits if it began it. An error fails an open
    /// transaction block. In a simple query of several statements the protocol calls this for each.
    pub async fn run(&mut self, parsed: &Parsed, parameters: &[Parameter]) -> Result<Answer> {
        let _ = (parsed, parameters);
        todo!("core")
    }

    /// Told by the protocol when a row stream failed or was dropped early.
    pub fn fail(&mut self) {
        todo!("core")
    }

    /// Tells where the transaction stands.
    pub fn transaction_status(&self) -> TransactionStatus {
        todo!("core")
    }

    /// Gives the handle that cancels what this session runs.
    pub fn cancel_handle(&self) -> CancelHandle {
        todo!("core")
    }

    /// Gives the settings the client is told of after login (ParameterStatus): server_version, client_encoding,
    /// DateStyle, integer_datetimes, TimeZone, ...
    pub fn initial_parameters(&self) -> Vec<(String, String)> {
        todo!("core")
    }
}
