//! One connection: its state, prepared statements, and `Session::run`, the way of every statement.
//!
//! Outside a block each statement has a transaction of its own. A failed block has none left: its work is rolled back
//! and its locks are given back at the error, and until ROLLBACK every statement is refused.

pub mod cancel;
pub mod prepared;
#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod tests;

pub use crate::statement::answer::{Answer, Body, Notice, OutputColumn};
pub use cancel::CancelHandle;

use crate::catalog::database::Database;
use crate::catalog::{Oid, User};
use crate::error::{Error, Result};
use crate::history::activity::{NotOpened, Opening, RunningStatement};
use crate::history::connection::{ConnectionFacts, Happening};
use crate::history::control::StopSign;
use crate::history::{FinishedQuery, lock, now_us};
use crate::planner::log::PlanLog;
use crate::server::{Server, drop_schema_contents};
use crate::settings::style::TextStyle;
use crate::settings::{Scope, Settings};
use crate::statement;
use crate::statement::context::{Context, LastStatements};
use crate::statement::cursor::OpenCursor;
use crate::statement::set::SESSION_AUTHORIZATION;
use crate::system::Asked;
use crate::transaction::Transaction;
use crate::transaction::read::TableReads;
use crate::wlm::admission::{Seat, Ticket, Visitor};
use crate::wlm::classify::Principal;
use blueshift_sql::statement::session::{Begin, Prepare};
use blueshift_sql::statement::{Parsed, Statement};
use blueshift_sql::{SqlState, SqlType};
use cancel::{StatementEnd, StatementStream, must_stop, panicked};
use futures::FutureExt;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Who connects, after the password was checked.
#[derive(Clone, Debug)]
pub struct LoginFacts {
    /// The user's name.
    pub user: String,
    /// The database asked for.
    pub database: String,
    /// Start-up parameters, lower-case names; unknown ones are kept and harmless.
    pub parameters: Vec<(String, String)>,
    /// Parameters given as `options=-c name=value`.
    pub options: Vec<(String, String)>,
    /// The peer, if it has an address.
    pub peer: Option<SocketAddr>,
    /// The process id given to the client for cancel requests.
    pub pid: i32,
    /// The connection, for STL_CONNECTION_LOG; `None` inside the server.
    pub connection: Option<Arc<ConnectionFacts>>,
}

/// A parsed and described statement of the extended protocol.
pub struct PreparedStatement {
    /// The statement; empty text parses to `Statement::Empty`.
    pub parsed: Arc<Parsed>,
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

/// The longest label STL_QUERY keeps.
const LABEL_CHARACTERS_MAX: usize = 320;

/// One connection.
pub struct Session {
    /// What all share.
    pub server: Arc<Server>,
    login: LoginFacts,
    /// The database of the connection.
    database: Arc<Database>,
    /// The database chosen with USE.
    used: Option<Oid>,
    /// Who the session acts as.
    user: Arc<User>,
    /// Who logged in.
    login_user: Oid,
    /// The user's SESSION TIMEOUT, as it was at the login.
    idle_limit: Option<Duration>,
    settings: Settings,
    /// The open transaction block.
    transaction: Option<Transaction>,
    /// Inside a block that failed.
    is_failed: bool,
    /// The settings before the block, for ROLLBACK.
    settings_before: Settings,
    prepared: HashMap<String, Prepare>,
    /// The open cursor, which ends with its transaction.
    cursor: Option<OpenCursor>,
    last: LastStatements,
    /// What the last statements were before the block, for ROLLBACK.
    last_before: LastStatements,
    temp_schema: Option<Oid>,
    cancel: CancelHandle,
    /// Which of its statements holds slots.
    seat: Arc<Seat>,
    label: Arc<str>,
    /// Messages of a statement that failed.
    told: Vec<Notice>,
}

impl Session {
    /// Opens a session for a user who proved who they are. Fails if the database does not exist.
    pub fn open(server: Arc<Server>, login: LoginFacts) -> Result<Session> {
        let catalog = server.transactions.committed_catalog()?;
        let database = catalog.database_named(&login.database)?.clone();
        let user = server
            .user(&login.user)?
            .ok_or_else(|| no_user(&login.user))?;
        let mut settings = Settings::default();
        for (name, value) in &user.parameters {
            // What ALTER USER accepted may have gone with a later version; that must not lock the user out.
            let value = std::slice::from_ref(value);
            if let Err(error) = settings.set(name, value, Scope::Session) {
                tracing::warn!(name, %error, "a user's parameter ignored");
            }
        }
        for (name, value) in &login.parameters {
            // Drivers send parameters of other servers too; those are harmless and ignored, as Redshift does.
            let value = std::slice::from_ref(value);
            if settings.set(name, value, Scope::Session).is_err() {
                tracing::debug!(name, "start-up parameter ignored");
            }
        }
        // What was written as `options=-c name=value` was meant for this server, so it is not ignored.
        for (name, value) in &login.options {
            settings.set(name, std::slice::from_ref(value), Scope::Session)?;
        }
        let superuser = if catalog.is_superuser(&user) {
            "on"
        } else {
            "off"
        };
        settings.fix("session_authorization", &user.name, Scope::Session);
        settings.fix("is_superuser", superuser, Scope::Session);
        let level = database.isolation.word();
        settings.fix("transaction_isolation", level, Scope::Session);
        settings.keep_as_login();
        let cancel = CancelHandle::default();
        let control = cancel.control.clone();
        let opened = server.history.open_session(Opening {
            pid: login.pid,
            userid: user.oid,
            user_name: &user.name,
            user_limit: user.connection_limit.filter(|_| !user.superuser),
            database: database.oid,
            database_name: &database.name,
            database_limit: database.connection_limit.filter(|_| !user.superuser),
            control,
        });
        opened.map_err(|refused| match refused {
            NotOpened::UserLimit => Error::new(
                SqlState::TOO_MANY_CONNECTIONS,
                format!("too many connections for user \"{}\"", user.name),
            ),
            NotOpened::DatabaseLimit => Error::new(
                SqlState::TOO_MANY_CONNECTIONS,
                format!("too many connections for database \"{}\"", database.name),
            ),
            NotOpened::Closed => Error::new(
                SqlState::OBJECT_IN_USE,
                format!("database \"{}\" is being changed or dropped", database.name),
            ),
        })?;
        // It may have been dropped since it was found.
        let now = server.transactions.committed_catalog()?;
        if !now.databases.contains_key(&database.oid) {
            server.history.close_session(login.pid);
            now.database_named(&login.database)?;
        }
        let idle_limit = user.session_timeout;
        Ok(Session {
            server,
            login,
            database,
            used: None,
            login_user: user.oid,
            idle_limit: idle_limit.map(|seconds| Duration::from_secs(seconds.into())),
            user,
            settings_before: settings.clone(),
            settings,
            transaction: None,
            is_failed: false,
            prepared: HashMap::new(),
            cursor: None,
            last: LastStatements::default(),
            last_before: LastStatements::default(),
            temp_schema: None,
            cancel,
            seat: Arc::default(),
            label: Arc::default(),
            told: Vec::new(),
        })
    }

    /// Parses and describes one statement for the extended protocol (more than one is an error 42601
    /// `cannot insert multiple commands into a prepared statement`). `types` are OIDs given by the client, 0 if
    /// unknown.
    pub async fn prepare(&mut self, text: &str, types: &[u32]) -> Result<PreparedStatement> {
        let parsed = prepared::parse_one(&self.settings.folded(text))?;
        if self.is_failed && !ends_block(&parsed.statement) {
            return Err(in_failed_transaction());
        }
        self.refresh_user()?;
        // Describing is no real statement: in a block it must not fix the read view.
        let mut transaction = match self.transaction.take() {
            Some(open) if open.has_view() => open,
            open => {
                self.transaction = open;
                self.new_transaction(false)
            }
        };
        let described = {
            let mut ctx = self.context(&mut transaction, 0, &[], Arc::default());
            loop {
                let again = parsed.clone();
                let describe = AssertUnwindSafe(|| prepared::describe(&mut ctx, again, types));
                let described = std::panic::catch_unwind(describe);
                let described = described.unwrap_or_else(|_| Err(panicked(0)));
                match ctx.reads.take_wanted().filter(|_| described.is_err()) {
                    None => break described,
                    Some((schema, want)) => {
                        let answer = ctx.server.foreign.ask(&schema, &want).await;
                        ctx.reads.keep(schema.oid, want, answer);
                    }
                }
            }
        };
        if transaction.is_explicit {
            match described {
                Ok(_) => self.transaction = Some(transaction),
                Err(_) => self.is_failed = true,
            }
        } else if described.is_err() && self.transaction.is_some() {
            self.fail();
        }
        described
    }

    /// Runs one statement: opens or joins a transaction, runs, and commits if it began it. An error fails an open
    /// transaction block. In a simple query of several statements the protocol calls this for each.
    pub async fn run(&mut self, parsed: &Parsed, parameters: &[Parameter]) -> Result<Answer> {
        let control = self.cancel.control.clone();
        let stop_token = control.renew();
        let deadline = self
            .settings
            .timeout("statement_timeout")
            .map(|timeout| Instant::now() + timeout);
        // Who is gone is refused below, where the statement runs.
        let _ = self.refresh_user();
        let history = self.server.history.clone();
        let (label, text) = (self.label(), redacted(parsed));
        let mut running = history.begin_statement(self.login.pid, self.user.oid, label, text);
        running.kind = statement::kind(&parsed.statement);
        let sign = StopSign {
            token: stop_token.clone(),
            deadline: deadline.map(Instant::into_std),
        };
        let ticket = self.ticket(&running, &stop_token);
        let mut end = StatementEnd::new(history, running, sign, ticket);
        let ticket = end.ticket();
        let stop = || {
            must_stop(
                stop_token.clone(),
                control.clone(),
                deadline,
                ticket.clone(),
            )
        };
        let mut notices = Vec::new();
        let outcome = match &parsed.statement {
            Statement::Empty => Ok(Body::Empty),
            Statement::Begin(begin) => self.begin(begin, &mut notices),
            Statement::Commit => self.commit(&mut notices).await,
            Statement::Rollback => Ok(self.rollback(&mut notices)),
            _ => {
                let work = self.run_in_transaction(parsed, parameters, &mut end, stop());
                work.await.map(|(body, given)| {
                    notices = given;
                    body
                })
            }
        };
        if let Err(error) = &outcome {
            end.fail(error);
        }
        let body = match outcome? {
            Body::Rows {
                columns,
                stream,
                tag,
            } => {
                let stream = StatementStream::new(stream, stop().boxed(), end);
                Body::Rows {
                    columns,
                    stream: Box::pin(stream),
                    tag,
                }
            }
            other => {
                end.succeed();
                other
            }
        };
        notices.retain(|notice| self.settings.tells(notice.severity));
        Ok(Answer { notices, body })
    }

    /// Makes a statement's way through the queues.
    fn ticket(&self, running: &RunningStatement, stop: &CancellationToken) -> Arc<Ticket> {
        let wlm = &self.server.wlm;
        let mut principal = Principal {
            userid: self.user.oid,
            superuser: self.user.superuser,
            query_group: Arc::clone(&self.label),
            ..Principal::default()
        };
        if wlm.wants_principals()
            && let Ok(catalog) = self.server.transactions.committed_catalog()
        {
            (principal.groups, principal.roles) = catalog.groups_and_roles_of(self.user.oid);
        }
        let slots = self.settings.get("wlm_query_slot_count");
        let visitor = Visitor {
            query: running.query,
            pid: self.login.pid,
            text: Arc::clone(&running.text),
            principal: Arc::new(principal),
            slots: slots.and_then(|slots| slots.parse().ok()).unwrap_or(1),
            plans: Arc::clone(&running.plans),
            stop: stop.clone(),
            seat: Arc::clone(&self.seat),
        };
        Ticket::new(Arc::clone(wlm), visitor)
    }

    /// Runs an INSERT of constants at once, if it only adds to rows that the open transaction block gathers. `None` if
    /// it needs more than that, and nothing has happened: [`Session::run`] is for all statements.
    pub fn append(&mut self, parsed: &Parsed, parameters: &[Parameter]) -> Option<Answer> {
        let Statement::Insert(insert) = &parsed.statement else {
            return None;
        };
        let starttime_us = now_us();
        self.refresh_user().ok()?;
        let transaction = self.transaction.as_mut().filter(|_| !self.is_failed)?;
        let rows = transaction.append_more(&self.user, insert, parameters)?;
        let statement = FinishedQuery {
            userid: self.user.oid,
            query: 0,
            xid: transaction.xid,
            pid: self.login.pid,
            database: self.database.name.as_str().into(),
            label: self.label(),
            text: redacted(parsed),
            starttime_us,
            endtime_us: now_us(),
            aborted: false,
            error: None,
            source: None,
            wlm: Vec::new(),
        };
        self.last.query_id = Some(self.server.history.add_statement(statement));
        Some(Answer {
            notices: Vec::new(),
            body: Body::done(format!("INSERT 0 {rows}")),
        })
    }

    /// The label of the session's queries in STL_QUERY.
    fn label(&mut self) -> Arc<str> {
        let label = match self.settings.get("query_group") {
            Some("unset") | None => "default",
            Some(label) => label,
        };
        if *label != *self.label {
            self.label = label
                .chars()
                .take(LABEL_CHARACTERS_MAX)
                .collect::<String>()
                .into();
        }
        self.label.clone()
    }

    /// Gives the messages of a statement that failed, once.
    pub fn take_told(&mut self) -> Vec<Notice> {
        let mut told = std::mem::take(&mut self.told);
        told.retain(|notice| self.settings.tells(notice.severity));
        told
    }

    /// Told by the protocol when a row stream failed or was dropped early.
    pub fn fail(&mut self) {
        if self.transaction.take().is_some() {
            self.is_failed = true;
            self.after_rollback();
        }
    }

    /// Tells where the transaction stands.
    pub fn transaction_status(&self) -> TransactionStatus {
        match (self.is_failed, &self.transaction) {
            (true, _) => TransactionStatus::Failed,
            (false, Some(_)) => TransactionStatus::Open,
            (false, None) => TransactionStatus::Idle,
        }
    }

    /// Gives the handle that cancels what this session runs.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Gives the session's parameters, some of which the client is told of (ParameterStatus).
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives the columns of the open cursor, which clients describe as a portal of its name.
    pub fn cursor_columns(&self, name: &str) -> Option<Vec<OutputColumn>> {
        let open = self.cursor.as_ref().filter(|open| open.name == name)?;
        Some(open.columns.clone())
    }

    /// Gives how long the client may be silent by the user's SESSION TIMEOUT.
    pub fn idle_limit(&self) -> Option<Duration> {
        self.idle_limit
    }

    /// Gives how values are written as text.
    pub fn text_style(&self) -> TextStyle {
        self.settings.text_style()
    }

    fn context<'a>(
        &'a mut self,
        transaction: &'a mut Transaction,
        query: i64,
        parameters: &'a [Parameter],
        plans: Arc<PlanLog>,
    ) -> Context<'a> {
        let reads = match query {
            // Describing reads nothing.
            0 => TableReads::default(),
            _ => TableReads::of(&self.server.transactions, transaction.xid),
        };
        Context {
            server: &self.server,
            user: &self.user,
            pid: self.login.pid,
            connected: &self.database,
            used: &mut self.used,
            query,
            transaction,
            settings: &mut self.settings,
            asked: Asked::default(),
            reads: Arc::new(reads),
            plans,
            prepared: &mut self.prepared,
            cursor: &mut self.cursor,
            last: &mut self.last,
            temp_schema: &mut self.temp_schema,
            parameters,
            notices: Vec::new(),
        }
    }

    /// Runs a statement that is not about the transaction itself, and commits if it is not in a block.
    async fn run_in_transaction(
        &mut self,
        parsed: &Parsed,
        parameters: &[Parameter],
        end: &mut StatementEnd,
        stop: impl Future<Output = Error>,
    ) -> Result<(Body, Vec<Notice>)> {
        if self.is_failed {
            return Err(in_failed_transaction());
        }
        self.refresh_user()?;
        let mut transaction = match self.transaction.take() {
            Some(open) => open,
            None => {
                self.keep_for_rollback();
                let mut begun = self.new_transaction(false);
                self.set_mode(&mut begun, None);
                begun
            }
        };
        let was_explicit = transaction.is_explicit;
        end.set_xid(transaction.xid);
        transaction.lock_timeout = self.settings.timeout("lock_timeout");
        let mut ctx = self.context(&mut transaction, end.query(), parameters, end.plans());
        let work =
            AssertUnwindSafe(statement::run_unlocked(&mut ctx, &parsed.statement)).catch_unwind();
        let outcome = tokio::select! {
            biased;
            error = stop => Err(error),
            outcome = work => outcome.unwrap_or_else(|_| Err(panicked(end.query()))),
        };
        let asked = std::mem::take(&mut *lock(&ctx.asked));
        let outcome = outcome.and_then(|body| {
            let is_explain = matches!(parsed.statement, Statement::Explain(_));
            let asked = if is_explain { Vec::new() } else { asked };
            statement::set::apply(&mut ctx, asked).map(|()| body)
        });
        let notices = std::mem::take(&mut ctx.notices);
        let read = ctx.reads.tables();
        // A procedure may have ended one transaction and begun another.
        end.set_xid(ctx.transaction.xid);
        drop(ctx);
        let outcome = match outcome {
            Ok(body) => transaction.end_statement(read).await.map(|()| body),
            Err(error) => Err(error),
        };
        // From here on nothing is canceled: a commit that was begun is waited for.
        let outcome = match outcome {
            Ok(body) if transaction.is_explicit => {
                self.transaction = Some(transaction);
                Ok(body)
            }
            Ok(body) => transaction.commit().await.map(|()| body),
            Err(error) => {
                drop(transaction);
                self.is_failed = was_explicit;
                Err(error)
            }
        };
        if outcome.is_err() {
            self.told.clone_from(&notices);
            self.after_rollback();
        } else if self.transaction.is_none() {
            self.settings.end_local();
        }
        outcome.map(|body| (body, notices))
    }

    fn begin(&mut self, begin: &Begin, notices: &mut Vec<Notice>) -> Result<Body> {
        if self.is_failed {
            return Err(in_failed_transaction());
        }
        if self.transaction.is_some() {
            let text = "there is already a transaction in progress";
            notices.push(Notice::warning(SqlState::ACTIVE_SQL_TRANSACTION, text));
            return Ok(Body::done("BEGIN"));
        }
        self.keep_for_rollback();
        let mut transaction = self.new_transaction(true);
        self.set_mode(&mut transaction, begin.read_only);
        self.transaction = Some(transaction);
        Ok(Body::done("BEGIN"))
    }

    /// Begins a transaction in the database of the session.
    fn new_transaction(&self, explicit: bool) -> Transaction {
        let database = self.used.unwrap_or(self.database.oid);
        let transactions = &self.server.transactions;
        let mut begun = transactions.begin_in(database, self.login.pid, explicit);
        begun.seat = Some(Arc::clone(&self.seat));
        begun
    }

    /// Makes a new transaction read-only or not: as it was said, else as `default_transaction_read_only` has it.
    fn set_mode(&mut self, transaction: &mut Transaction, read_only: Option<bool>) {
        let default = self.settings.is_on("default_transaction_read_only");
        transaction.is_read_only = read_only.unwrap_or(default);
        if transaction.is_read_only {
            self.settings
                .fix("transaction_read_only", "on", Scope::Local);
        }
    }

    async fn commit(&mut self, notices: &mut Vec<Notice>) -> Result<Body> {
        if self.is_failed {
            self.is_failed = false;
            return Ok(Body::done("ROLLBACK"));
        }
        let Some(transaction) = self.transaction.take() else {
            notices.push(no_transaction());
            return Ok(Body::done("COMMIT"));
        };
        self.cursor = None;
        match transaction.commit().await {
            Ok(()) => {
                self.settings.end_local();
                Ok(Body::done("COMMIT"))
            }
            Err(error) => {
                self.after_rollback();
                Err(error)
            }
        }
    }

    fn rollback(&mut self, notices: &mut Vec<Notice>) -> Body {
        if !self.is_failed && self.transaction.take().is_none() {
            notices.push(no_transaction());
        } else {
            self.after_rollback();
        }
        self.is_failed = false;
        Body::done("ROLLBACK")
    }

    /// Notes what a rollback of the transaction that begins now takes back in the session itself.
    fn keep_for_rollback(&mut self) {
        self.settings_before = self.settings.clone();
        self.last_before = self.last;
    }

    /// Takes back what the session itself kept of a transaction.
    fn after_rollback(&mut self) {
        self.cursor = None;
        self.settings = self.settings_before.clone();
        self.last.roll_back(self.last_before);
        if let Some(schema) = self.temp_schema {
            let committed = self.server.transactions.committed_catalog();
            if !committed.is_ok_and(|catalog| catalog.schemas.contains_key(&schema)) {
                self.temp_schema = None;
            }
        }
    }

    /// Looks the user up again: rights may have changed, or the user gone.
    fn refresh_user(&mut self) -> Result<()> {
        let catalog = self.server.transactions.committed_catalog()?;
        let login = self.settings.value_at_login(SESSION_AUTHORIZATION);
        let name = self.settings.get(SESSION_AUTHORIZATION).unwrap_or(login);
        let user = match name == login {
            true => catalog.users.get(&self.login_user),
            false => catalog.user_named(name),
        };
        let user = user.ok_or_else(|| no_user(name))?;
        // Who has the role of superusers is one.
        self.user = match catalog.is_superuser(user) && !user.superuser {
            true => Arc::new(User {
                superuser: true,
                ..User::clone(user)
            }),
            false => user.clone(),
        };
        Ok(())
    }
}

impl Drop for Session {
    /// Rolls back, and drops the session's temporary tables in the background.
    fn drop(&mut self) {
        self.transaction = None;
        let history = &self.server.history;
        history.close_session(self.login.pid);
        self.server.wlm.forget_session(self.login.pid);
        if let Some(facts) = &self.login.connection {
            history.connection(Happening::Disconnected, self.login.pid, facts);
        }
        let Some(schema) = self.temp_schema else {
            return;
        };
        let server = self.server.clone();
        self.server.node.resources.compute.spawn_blocking(move || {
            let dropped = server.transactions.committed_catalog().and_then(|catalog| {
                if !catalog.schemas.contains_key(&schema) {
                    return Ok(());
                }
                let mut commit = drop_schema_contents(&catalog, schema);
                commit.base = server.node.store.read_view().version;
                server.node.store.commit(commit)?;
                Ok(())
            });
            if let Err(error) = dropped {
                tracing::warn!(%error, "temporary tables stay until the next start");
            }
        });
    }
}

/// The text of a statement, its secrets masked.
fn redacted(parsed: &Parsed) -> Arc<str> {
    blueshift_sql::statement::redacted(&parsed.text).into()
}

fn ends_block(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Commit | Statement::Rollback | Statement::Empty
    )
}

fn in_failed_transaction() -> Error {
    Error::new(
        SqlState::IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

fn no_transaction() -> Notice {
    Notice::warning(
        SqlState::NO_ACTIVE_SQL_TRANSACTION,
        "there is no transaction in progress",
    )
}

fn no_user(name: &str) -> Error {
    Error::new(
        SqlState::INVALID_AUTHORIZATION,
        format!("user \"{name}\" does not exist"),
    )
}
