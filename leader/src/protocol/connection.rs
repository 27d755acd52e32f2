//! One connection after its start: the loop over messages, and what simple and extended queries share.

use crate::error::Error;
use crate::error::sqlstate::{self, Report};
use crate::protocol::cancel::Admission;
use crate::protocol::encode::Encoder;
use crate::protocol::extended::{Portal, Prepared};
use crate::protocol::frame::{self, MESSAGE_BYTES_MAX, Message, Violation};
use crate::protocol::rows::Rows;
use crate::protocol::startup::read_message;
use crate::protocol::wire_type::wire_type;
use crate::protocol::{Shared, damage, reply};
use crate::session::{
    Answer, Body, CancelHandle, OutputColumn, Parameter, Session, TransactionStatus,
};
use crate::settings::Settings;
use blueshift_sql::SqlState;
use blueshift_sql::statement::{Parsed, Statement};
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, OwnedSemaphorePermit};

/// Output waits for so many bytes, or for the end of what it belongs to.
const OUTPUT_BYTES: usize = 64 << 10;
/// What a client may send ahead while a statement runs.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// An encrypted or plain stream.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for T {}

/// What begins with the login.
struct Begun {
    session: Arc<Mutex<Session>>,
    cancel: CancelHandle,
    /// The settings as the client was last told of them.
    told: Settings,
    /// How long the client may now be silent, and what it is told then.
    idle_max: Option<(Duration, Report)>,
    admission: Admission,
    _place: OwnedSemaphorePermit,
}

/// One connection.
pub(super) struct Connection {
    socket: Box<dyn Socket>,
    input: BytesMut,
    /// Messages not yet sent.
    pub(super) output: BytesMut,
    pub(super) shared: Arc<Shared>,
    begun: Option<Begun>,
    /// Prepared statements by name.
    pub(super) statements: HashMap<String, Arc<Prepared>>,
    /// Portals by name.
    pub(super) portals: HashMap<String, Portal>,
    /// The output ends a run of messages, so the client may wait for it.
    owes: bool,
    /// After an error in extended messages all is skipped until Sync.
    pub(super) skipping: bool,
}

impl Connection {
    pub(super) fn new(socket: Box<dyn Socket>, shared: Arc<Shared>) -> Self {
        Self {
            socket,
            input: BytesMut::new(),
            output: BytesMut::new(),
            shared,
            begun: None,
            statements: HashMap::new(),
            portals: HashMap::new(),
            owes: false,
            skipping: false,
        }
    }

    /// Begins the session and tells the client.
    pub(super) fn begin(
        &mut self,
        session: Session,
        admission: Admission,
        place: OwnedSemaphorePermit,
    ) {
        let cancel = session.cancel_handle();
        admission.set_handle(cancel.clone());
        reply::authenticated(&mut self.output);
        let told = session.settings().clone();
        for (name, value) in told.reported() {
            reply::parameter(&mut self.output, &name, &value);
        }
        reply::key(&mut self.output, admission.pid, &admission.secret);
        reply::ready(&mut self.output, session.transaction_status());
        let idle_max = idle_max(&session);
        let session = Arc::new(Mutex::new(session));
        self.begun = Some(Begun {
            session,
            cancel,
            told,
            idle_max,
            admission,
            _place: place,
        });
    }

    /// Reads the next message.
    pub(super) async fn read(
        &mut self,
        bytes_max: usize,
    ) -> io::Result<Option<Result<Message, Violation>>> {
        read_message(&mut self.socket, &mut self.input, bytes_max).await
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.owes = false;
        if !self.output.is_empty() {
            self.socket.write_all(&self.output).await?;
            self.output.clear();
        }
        self.socket.flush().await
    }

    /// Answers messages until the client leaves or the server stops.
    pub(super) async fn serve(&mut self) -> io::Result<()> {
        let stop = self.shared.stop.clone();
        loop {
            self.flush_before_read().await?;
            let idle_max = self.begun()?.idle_max.clone();
            let terminated = self.begun()?.cancel.clone();
            let message = tokio::select! {
                biased;
                message = self.read(MESSAGE_BYTES_MAX) => message?,
                () = stop.cancelled() => {
                    return self
                        .end(Report::new(
                            SqlState::ADMIN_SHUTDOWN,
                            "terminating connection due to administrator command",
                        ))
                        .await;
                }
                () = terminated.terminated() => {
                    return self
                        .end(Report::new(
                            SqlState::ADMIN_SHUTDOWN,
                            "terminating connection due to administrator command",
                        ))
                        .await;
                }
                report = idle(idle_max) => return self.end(report).await,
            };
            match message {
                None | Some(Ok(Message::Terminate)) => return self.flush().await,
                Some(Ok(message)) => Box::pin(self.answer(message)).await?,
                Some(Err(violation)) => {
                    return self
                        .end(Report::new(SqlState::PROTOCOL_VIOLATION, violation.0))
                        .await;
                }
            }
        }
    }

    /// Tells why the connection ends.
    async fn end(&mut self, report: Report) -> io::Result<()> {
        tracing::debug!(
            code = report.code.0,
            reason = report.message,
            "connection ends"
        );
        reply::error(&mut self.output, "FATAL", &report);
        self.flush().await?;
        self.socket.shutdown().await
    }

    async fn answer(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Sync => {
                self.skipping = false;
                self.ready().await
            }
            Message::Query(text) => {
                self.skipping = false;
                let outcome = self.simple_query(text).await?;
                if let Err(report) = outcome {
                    self.refuse(report);
                }
                self.ready().await
            }
            Message::Password(_) | Message::StrayCopy | Message::Terminate => Ok(()),
            Message::FunctionCall => {
                let report = Report::unsupported(
                    "the function call message",
                    "Call the function in a SELECT.",
                );
                reply::error(&mut self.output, "ERROR", &report);
                self.ready().await
            }
            _ if self.skipping => Ok(()),
            message => {
                if let Err(report) = self.extended(message).await? {
                    // Whatever is wrong with a message ends the block it is in, as what is wrong with a statement.
                    self.fail().await?;
                    self.refuse(report);
                    self.skipping = true;
                }
                if self.output.len() >= OUTPUT_BYTES {
                    self.flush().await
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Tells why a statement failed.
    fn refuse(&mut self, report: Report) {
        // Without a catalog there are no names, and the error is told all the same.
        let report = match self.shared.server.transactions.committed_catalog() {
            Ok(catalog) => damage::with_names(report, &catalog),
            Err(_) => report,
        };
        reply::error(&mut self.output, "ERROR", &report);
    }

    /// Ends a run of messages: tells what changed and that the next may come.
    async fn ready(&mut self) -> io::Result<()> {
        let session = self.session()?;
        let session = session.lock().await;
        let status = session.transaction_status();
        if let Some(begun) = &mut self.begun {
            begun.idle_max = idle_max(&session);
            if begun.told != *session.settings() {
                for (name, value) in session.settings().changes_since(&begun.told) {
                    reply::parameter(&mut self.output, &name, &value);
                }
                begun.told = session.settings().clone();
            }
        }
        drop(session);
        if status == TransactionStatus::Idle {
            // Portals end with their transaction.
            self.portals.clear();
        }
        reply::ready(&mut self.output, status);
        self.owes = true;
        Ok(())
    }

    /// Sends what a client may wait for, unless it sent more already that can be answered with it at once.
    async fn flush_before_read(&mut self) -> io::Result<()> {
        let is_more = frame::is_whole(&self.input) && self.output.len() < OUTPUT_BYTES;
        if !self.owes || is_more {
            return Ok(());
        }
        self.flush().await?;
        if let Some(begun) = &self.begun {
            let history = &self.shared.server.history;
            history.later.catch_up(begun.admission.pid);
        }
        Ok(())
    }

    fn begun(&self) -> io::Result<&Begun> {
        self.begun
            .as_ref()
            .ok_or_else(|| io::Error::other("no session"))
    }

    /// Gives the session, which tasks on the sessions' runtime lock while they work.
    pub(super) fn session(&self) -> io::Result<Arc<Mutex<Session>>> {
        Ok(self.begun()?.session.clone())
    }

    /// Tells the session that rows failed or were left.
    pub(super) async fn fail(&self) -> io::Result<()> {
        self.begun()?.session.lock().await.fail();
        Ok(())
    }

    /// Runs work of the session on the sessions' runtime. A panic in it is the statement's error; if the client
    /// leaves meanwhile the work is canceled.
    pub(super) async fn on_sessions<T: Send + 'static>(
        &mut self,
        place: Place,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> io::Result<Result<T, Report>> {
        let cancel = self.begun()?.cancel.clone();
        let sessions = self.shared.server.node.resources.sessions.clone();
        let mut work = Box::pin(AssertUnwindSafe(work).catch_unwind());
        if place == Place::HereFirst
            && let Poll::Ready(outcome) = futures::poll!(&mut work)
        {
            return Ok(match outcome {
                Ok(value) => value.map_err(|error| sqlstate::report(&error)),
                Err(_) => Err(sqlstate::panicked()),
            });
        }
        // What comes now may take long, and the answers before it are ready.
        if self.owes {
            self.flush().await?;
        }
        let mut task = sessions.spawn(work);
        let mut lost = None;
        let joined = loop {
            if lost.is_some() || self.input.len() >= AHEAD_BYTES_MAX {
                break (&mut task).await;
            }
            tokio::select! {
                joined = &mut task => break joined,
                read = self.socket.read_buf(&mut self.input) => match read {
                    Ok(0) => lost = Some(io::Error::from(io::ErrorKind::UnexpectedEof)),
                    Ok(_) => {}
                    Err(error) => lost = Some(error),
                },
            }
            if lost.is_some() {
                cancel.cancel();
            }
        };
        if let Some(error) = lost {
            return Err(error);
        }
        Ok(match joined {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(sqlstate::report(&error)),
            Ok(Err(_)) | Err(_) => Err(sqlstate::panicked()),
        })
    }

    /// Runs one statement and tells its notices and changed settings.
    pub(super) async fn run(
        &mut self,
        parsed: Arc<Parsed>,
        parameters: Vec<Parameter>,
    ) -> io::Result<Result<Body, Report>> {
        if let Some(outcome) = self.append(&parsed, &parameters)? {
            return Ok(outcome);
        }
        if let Some(tag) = self.deallocate(&parsed.statement) {
            return Ok(Ok(Body::Done {
                tag: tag.to_string(),
            }));
        }
        let session = self.session()?;
        let answer = self
            .on_sessions(Place::of(&parsed), async move {
                let mut session = session.lock().await;
                let answer = Box::pin(session.run(&parsed, &parameters)).await;
                Ok(answer.map_err(|error| (session.take_told(), sqlstate::report(&error))))
            })
            .await?;
        let Answer { notices, body } = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err((told, report))) => {
                // What a procedure said before it failed.
                let output = &mut self.output;
                told.iter().for_each(|notice| reply::notice(output, notice));
                return Ok(Err(report));
            }
            Err(report) => return Ok(Err(report)),
        };
        notices
            .iter()
            .for_each(|notice| reply::notice(&mut self.output, notice));
        Ok(Ok(body))
    }

    /// Runs a small INSERT of an open transaction block here and now: it takes less than to tell the sessions' runtime.
    /// `None` if it is not as small as that.
    fn append(
        &self,
        parsed: &Parsed,
        parameters: &[Parameter],
    ) -> io::Result<Option<Result<Body, Report>>> {
        let session = &self.begun()?.session;
        let Ok(mut session) = session.try_lock() else {
            return Ok(None);
        };
        let append = AssertUnwindSafe(|| session.append(parsed, parameters));
        Ok(match std::panic::catch_unwind(append) {
            Ok(answer) => answer.map(|answer| Ok(answer.body)),
            Err(_) => {
                session.fail();
                Some(Err(sqlstate::panicked()))
            }
        })
    }

    /// Forgets a statement that was prepared by message and is dropped by SQL, as psycopg does.
    fn deallocate(&mut self, statement: &Statement) -> Option<&'static str> {
        match statement {
            Statement::Deallocate(deallocate) => match &deallocate.name {
                Some(name) => self.statements.remove(name).map(|_| "DEALLOCATE"),
                None => {
                    self.statements.clear();
                    None
                }
            },
            Statement::Discard(discard) if discard.what == "all" => {
                self.statements.clear();
                self.portals.clear();
                None
            }
            _ => None,
        }
    }

    /// Starts the rows of an answer.
    pub(super) async fn start_rows(
        &self,
        place: Place,
        columns: &[OutputColumn],
        stream: datafusion::execution::SendableRecordBatchStream,
        binary: &[bool],
    ) -> io::Result<Rows> {
        let style = self.begun()?.session.lock().await.text_style();
        let encoder = Encoder::new(columns, binary, style);
        let sessions = &self.shared.server.node.resources.sessions;
        Ok(Rows::start(sessions, place, stream, encoder).await)
    }

    /// Writes RowDescription.
    pub(super) async fn describe(
        &mut self,
        columns: &[OutputColumn],
        binary: &[bool],
    ) -> io::Result<()> {
        let style = self.begun()?.session.lock().await.text_style();
        let binary = |index: usize| binary.get(index).copied().unwrap_or(false);
        let told = columns.iter().enumerate().map(|(index, column)| {
            let name = match style.uppercase_names {
                true => Cow::Owned(column.name.to_uppercase()),
                false => Cow::Borrowed(column.name.as_str()),
            };
            (name, wire_type(column.ty, &column.arrow), binary(index))
        });
        reply::columns(&mut self.output, told);
        Ok(())
    }

    /// Sends rows, all or at most `rows_max`; `true` if none are left. Waits for the socket, so that the plan does.
    pub(super) async fn send_rows(
        &mut self,
        rows: &mut Rows,
        rows_max: Option<u64>,
    ) -> io::Result<Result<bool, Report>> {
        let mut left = rows_max.unwrap_or(u64::MAX);
        while left > 0 {
            let before = rows.sent;
            match self.watch(rows.next(left)).await? {
                Ok(Some(bytes)) => self.send(bytes).await?,
                Ok(None) => return Ok(Ok(true)),
                Err(report) => return Ok(Err(report)),
            }
            left -= rows.sent - before;
        }
        Ok(self.watch(rows.more()).await?.map(|more| !more))
    }

    /// Waits for rows, and for the client to leave.
    async fn watch<T>(&mut self, rows: impl Future<Output = T>) -> io::Result<T> {
        let mut rows = std::pin::pin!(rows);
        loop {
            if self.input.len() >= AHEAD_BYTES_MAX {
                return Ok(rows.await);
            }
            tokio::select! {
                biased;
                rows = &mut rows => return Ok(rows),
                read = self.socket.read_buf(&mut self.input) => if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                },
            }
        }
    }

    async fn send(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.output.len() + bytes.len() < OUTPUT_BYTES / 2 {
            self.output.extend_from_slice(&bytes);
            return Ok(());
        }
        if !self.output.is_empty() {
            self.socket.write_all(&self.output).await?;
            self.output.clear();
        }
        self.socket.write_all(&bytes).await
    }
}

/// Where work of a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On the sessions' runtime.
    Session,
    /// On the thread of the connection, as far as it goes without waiting: then on the sessions' runtime.
    HereFirst,
}

impl Place {
    /// Tells where a statement begins.
    pub(super) fn of(parsed: &Parsed) -> Self {
        match parsed.is_instant() {
            true => Self::HereFirst,
            false => Self::Session,
        }
    }
}

/// Gives the tag of finished rows. As in PostgreSQL, SHOW and EXPLAIN do not count.
pub(super) fn rows_tag(tag: &str, rows: u64) -> String {
    match tag {
        "SHOW" | "EXPLAIN" | "CALL" => tag.to_string(),
        _ => format!("{tag} {rows}"),
    }
}

/// Gives how long a client may be silent, and what it is told then.
fn idle_max(session: &Session) -> Option<(Duration, Report)> {
    let (name, code, text) = match session.transaction_status() {
        TransactionStatus::Idle => (
            "idle_session_timeout",
            SqlState::IDLE_SESSION_TIMEOUT,
            "terminating connection due to idle-session timeout",
        ),
        TransactionStatus::Open | TransactionStatus::Failed => (
            "idle_in_transaction_session_timeout",
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            "terminating connection due to idle-in-transaction timeout",
        ),
    };
    let asked = session.settings().timeout(name);
    match (asked, session.idle_limit()) {
        (Some(length), limit) if limit.is_none_or(|limit| length <= limit) => {
            Some((length, Report::new(code, text)))
        }
        (_, limit) => {
            let text = "terminating connection due to the user's session timeout";
            Some((limit?, Report::new(SqlState::IDLE_SESSION_TIMEOUT, text)))
        }
    }
}

/// Waits until a client was silent for too long.
async fn idle(idle_max: Option<(Duration, Report)>) -> Report {
    match idle_max {
        Some((length, report)) => {
            tokio::time::sleep(length).await;
            report
        }
        None => std::future::pending().await,
    }
}
