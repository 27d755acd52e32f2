//! What a procedure asks for, done in its session.

use super::rows::{StreamRows, row};
use super::{Chain, invoke, results, value_of};
use crate::error::sqlstate::told;
use crate::error::{Error, Result};
use crate::history::executed::ExecutedQuery;
use crate::history::now_us;
use crate::history::procedure::{CallRecord, MESSAGES_MAX, Message};
use crate::history::store::Requester;
use crate::statement::answer::{Body, Notice};
use crate::statement::context::Context;
use crate::statement::names::{Named, SessionNames};
use crate::statement::{cursor, run_unlocked, set, tag};
use crate::transaction::Transaction;
use crate::transaction::read::TableReads;
use crate::wlm::admission::Ticket;
use blueshift_sql::binder::{bind_assigned, bind_constant};
use blueshift_sql::procedural::{First, Level, Row, Rows, Runner, Value, Work};
use blueshift_sql::statement::alter_table::AlterAction;
use blueshift_sql::statement::cursor::Fetch;
use blueshift_sql::statement::query::Expression;
use blueshift_sql::statement::{ObjectName, Parsed, Statement};
use blueshift_sql::{SqlState, SqlType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One call at work.
pub(super) struct CallRunner<'a, 'c> {
    ctx: &'a mut Context<'c>,
    chain: Chain,
    record: &'a mut CallRecord,
    /// The resolver of plain expressions, kept until something changes.
    names: Option<SessionNames>,
    /// Counts the transactions that ended.
    epoch: Arc<AtomicU64>,
}

impl<'a, 'c> CallRunner<'a, 'c> {
    pub(super) fn new(ctx: &'a mut Context<'c>, chain: Chain, record: &'a mut CallRecord) -> Self {
        Self {
            ctx,
            chain,
            record,
            names: None,
            epoch: Arc::default(),
        }
    }

    fn is_nonatomic_call(&self) -> bool {
        self.chain.is_nonatomic == Some(true)
    }

    fn compute(&mut self, text: &str, ty: Option<SqlType>, is_plain: bool) -> Result<Value> {
        if !is_plain || self.names.is_none() {
            self.names = Some(self.ctx.names_to_write()?);
        }
        let names = self.names.as_ref();
        let names = names.ok_or_else(|| Error::internal("names were lost"))?;
        let expression = Expression::parse(text)?;
        let bound = match ty {
            Some(ty) => bind_assigned(names, &expression, ty)?,
            None => bind_constant(names, &expression)?,
        };
        value_of(names, bound, ty)
    }

    /// Ends the transaction and begins the next.
    async fn renew(&mut self, commits: bool, is_explicit: bool) -> Result<()> {
        let transactions = &self.ctx.server.transactions;
        let mut next = match self.ctx.transaction.database() {
            Some(database) => transactions.begin_in(database, self.ctx.pid, is_explicit),
            None => transactions.begin(self.ctx.pid, is_explicit),
        };
        next.is_read_only = self.ctx.transaction.is_read_only;
        next.lock_timeout = self.ctx.transaction.lock_timeout;
        next.seat.clone_from(&self.ctx.transaction.seat);
        let reads = Arc::new(TableReads::of(transactions, next.xid));
        let read = std::mem::replace(&mut self.ctx.reads, reads).tables();
        let ended = match commits {
            true => self.ctx.transaction.end_statement(read).await,
            false => Ok(()),
        };
        let old: Transaction = std::mem::replace(self.ctx.transaction, next);
        *self.ctx.cursor = None;
        self.names = None;
        self.epoch.fetch_add(1, Ordering::Relaxed);
        ended?;
        if commits {
            old.commit().await?;
            self.ctx.settings.end_local();
            return Ok(());
        }
        drop(old);
        if let Some(schema) = *self.ctx.temp_schema {
            let committed = self.ctx.server.transactions.committed_catalog()?;
            if !committed.schemas.contains_key(&schema) {
                *self.ctx.temp_schema = None;
            }
        }
        Ok(())
    }

    /// Refuses to end the transaction of somebody else. Source: the manual, Managing transactions.
    fn ensure_may_end(&self, what: &str) -> Result<()> {
        let is_held = self.chain.in_block && !self.is_nonatomic_call();
        if !is_held && !self.chain.has_settings {
            return Ok(());
        }
        Err(blueshift_sql::Error::new(
            SqlState::INVALID_TRANSACTION_TERMINATION,
            format!("{what} cannot be invoked from a procedure that is executing in an atomic context."),
        )
        .with_hint(
            "Try calling the procedure as a top-level call i.e. not from within an explicit transaction block. \
             Or, if this procedure (or one of its ancestors in the call chain) was created with SET config options, \
             recreate the procedure without them.",
        )
        .into())
    }

    /// Runs one statement as any session would, and tells it to the log tables.
    async fn statement(&mut self, parsed: &Parsed) -> Result<Body> {
        ensure_allowed(&parsed.statement)?;
        let ends = matches!(parsed.statement, Statement::Truncate(_));
        if ends {
            self.ensure_may_end("TRUNCATE")?;
        }
        self.names = None;
        let outer = self.ctx.query;
        let history = self.ctx.server.history.clone();
        self.ctx.query = history.next_query();
        let begun = now_us();
        let was_explicit = self.ctx.transaction.is_explicit;
        // What it does is told under its own query id.
        let text: Arc<str> = blueshift_sql::statement::redacted(&parsed.text).into();
        let own_plans = self.ctx.plans.within(self.ctx.query, Arc::clone(&text));
        let own_plans = Arc::new(own_plans);
        let outer_plans = std::mem::replace(&mut self.ctx.plans, own_plans);
        let outcome = match &parsed.statement {
            Statement::Call(_) => Err(Error::internal("calls go another way")),
            statement => Box::pin(run_unlocked(self.ctx, statement)).await,
        };
        let asked = std::mem::take(&mut *crate::history::lock(&self.ctx.asked));
        let outcome = outcome.and_then(|body| set::apply(self.ctx, asked).map(|()| body));
        let plans = std::mem::replace(&mut self.ctx.plans, outer_plans);
        match &outcome {
            // Its rows are still to come.
            Ok(Body::Rows { .. }) => self.ctx.plans.adopt(&plans),
            _ => {
                let who = Requester {
                    userid: self.ctx.user.oid,
                    query: self.ctx.query,
                    pid: self.ctx.pid,
                };
                plans.note_requests(&history, who);
                if let Some(executed) = plans.take() {
                    history.executed(ExecutedQuery {
                        userid: self.ctx.user.oid,
                        query: self.ctx.query,
                        xid: self.ctx.transaction.xid,
                        pid: self.ctx.pid,
                        endtime_us: now_us(),
                        executed,
                        alerts: Vec::new(),
                    });
                }
            }
        }
        let ticket = plans.ticket().cloned();
        let attempts = match (&ticket, &outcome) {
            // Those that give rows hold their slots until the last of them.
            (_, Ok(Body::Rows { .. })) | (None, _) => Vec::new(),
            (Some(ticket), outcome) => ticket.finish(outcome.is_ok()),
        };
        history.end_inner(
            self.ctx.query,
            self.ctx.user.oid,
            self.ctx.pid,
            self.ctx.transaction.xid,
            text.to_string(),
            begun,
            outcome.is_err(),
            attempts,
        );
        self.ctx.query = outer;
        let body = held(outcome?, ticket);
        if ends {
            self.ctx.transaction.is_explicit = was_explicit;
            self.renew(true, self.chain.in_block).await?;
        }
        Ok(body)
    }

    /// Commits a statement of a NONATOMIC procedure that is in no block.
    async fn end_statement(&mut self) -> Result<()> {
        if self.is_nonatomic_call() && !self.ctx.transaction.is_explicit {
            return self.renew(true, false).await;
        }
        let read = self.ctx.reads.tables();
        self.ctx.transaction.end_statement(read).await
    }

    async fn execute_all(&mut self, text: &str, discard: bool) -> Result<Option<u64>> {
        let mut rows = None;
        let text = self.ctx.settings.folded(text);
        for parsed in blueshift_sql::statement::parse(&text)? {
            if discard {
                ensure_not_ending(&parsed.statement)?;
            }
            if let Statement::Call(call) = &parsed.statement {
                let arguments = {
                    let names = self.ctx.names()?;
                    let values = call.arguments.iter();
                    let values = values.map(|one| super::argument_value(&names, one, &[]));
                    values.collect::<Result<Vec<_>>>()?
                };
                self.nested(&call.name, arguments).await?;
                continue;
            }
            if matches!(parsed.statement, Statement::Select(_)) && !discard {
                return Err(blueshift_sql::Error::new(
                    SqlState::SYNTAX_ERROR,
                    "query has no destination for result data",
                )
                .with_hint("If you want to discard the results of a SELECT, use PERFORM instead.")
                .into());
            }
            rows = match self.statement(&parsed).await? {
                Body::Rows { mut stream, .. } => {
                    let mut count = 0;
                    while let Some(batch) = stream.next().await {
                        count += batch?.num_rows() as u64;
                    }
                    Some(count)
                }
                Body::Done { tag } => changed_rows(&tag),
                Body::Empty => None,
            };
            self.end_statement().await?;
        }
        Ok(rows)
    }

    async fn first_row(&mut self, text: &str) -> Result<First> {
        let parsed = one(&self.ctx.settings.folded(text))?;
        let Body::Rows {
            columns, stream, ..
        } = self.statement(&parsed).await?
        else {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("{} gives no rows to assign", tag(&parsed.statement)),
            ));
        };
        let named = columns.iter().map(|one| (one.name.clone(), one.ty));
        let named = named.collect();
        let mut rows = StreamRows::new(columns, stream, self.epoch.clone());
        let row = rows.read().await?;
        drop(rows);
        self.end_statement().await?;
        Ok(First {
            columns: named,
            row,
        })
    }

    async fn all_rows(&mut self, text: &str) -> Result<Box<dyn Rows>> {
        let parsed = one(&self.ctx.settings.folded(text))?;
        if !matches!(parsed.statement, Statement::Select(_)) {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("cannot loop over the rows of {}", tag(&parsed.statement)),
            ));
        }
        let Body::Rows {
            columns, stream, ..
        } = self.statement(&parsed).await?
        else {
            return Err(Error::internal("a query without rows"));
        };
        let rows = StreamRows::new(columns, stream, self.epoch.clone());
        Ok(Box::new(rows))
    }

    async fn open_cursor(&mut self, name: &str, text: &str) -> Result<()> {
        let parsed = one(&self.ctx.settings.folded(text))?;
        let Statement::Select(query) = &parsed.statement else {
            return Err(Error::new(
                SqlState::INVALID_CURSOR_DEFINITION,
                format!("cannot open {} as cursor", tag(&parsed.statement)),
            ));
        };
        cursor::open(self.ctx, name, query).await
    }

    async fn fetch_row(&mut self, name: &str) -> Result<First> {
        let fetch = Fetch {
            name: name.to_string(),
            count: Some(1),
        };
        let Body::Rows {
            columns,
            mut stream,
            ..
        } = cursor::fetch(self.ctx, &fetch).await?
        else {
            return Err(Error::internal("a cursor without rows"));
        };
        let mut found: Option<Row> = None;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 && found.is_none() {
                found = Some(row(&columns, &batch, 0)?);
            }
        }
        let named = columns.iter().map(|one| (one.name.clone(), one.ty));
        Ok(First {
            columns: named.collect(),
            row: found,
        })
    }

    async fn nested(
        &mut self,
        name: &ObjectName,
        arguments: Vec<Value>,
    ) -> Result<Vec<(usize, Value)>> {
        self.names = None;
        let chain = self.chain.clone();
        let xid = self.ctx.transaction.xid;
        let called = Box::pin(invoke(self.ctx, name, arguments, chain)).await;
        if self.ctx.transaction.xid != xid {
            // The inner procedure ended the transaction our rows are of.
            self.epoch.fetch_add(1, Ordering::Relaxed);
        }
        results(called?)
    }

    fn relation_columns(&mut self, name: &ObjectName) -> Result<Vec<(String, SqlType)>> {
        let names = self.ctx.names()?;
        Ok(match names.find(name)? {
            Named::Relation(relation) => {
                let columns = relation.columns().iter();
                columns.map(|one| (one.name.clone(), one.ty)).collect()
            }
            Named::External(_, table) => table.all_columns().cloned().collect(),
            Named::System(table) => {
                let columns = table.columns().iter();
                columns
                    .map(|(name, ty)| ((*name).to_string(), *ty))
                    .collect()
            }
        })
    }

    fn message(&mut self, level: Level, message: String, line: usize) -> Result<()> {
        let least = self.ctx.settings.get("stored_proc_log_min_messages");
        let least = least.unwrap_or("log").to_ascii_uppercase();
        let least = Level::ALL.into_iter().find(|level| level.word() == least);
        if least.is_none_or(|least| level >= least) {
            self.record.say(Message {
                recordtime_us: now_us(),
                level,
                text: message.clone(),
                line,
            });
        }
        if level == Level::Exception {
            return Ok(());
        }
        if self.ctx.notices.len() >= MESSAGES_MAX {
            return Err(blueshift_sql::Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("a call can raise at most {MESSAGES_MAX} messages"),
            )
            .with_hint("Write them to a table instead.")
            .into());
        }
        self.ctx.notices.push(Notice {
            severity: level.word(),
            code: SqlState::SUCCESSFUL_COMPLETION,
            message,
        });
        Ok(())
    }
}

/// Parses a text that must be one statement; a semicolon too many does no harm.
/// Keeps a statement's slots for as long as its rows are read.
fn held(body: Body, ticket: Option<Arc<Ticket>>) -> Body {
    match body {
        Body::Rows {
            columns,
            stream,
            tag,
        } => {
            let schema = stream.schema();
            let rows = stream.inspect(move |_| {
                let _held = &ticket;
            });
            Body::Rows {
                columns,
                stream: Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
                tag,
            }
        }
        other => other,
    }
}

fn one(text: &str) -> Result<Parsed> {
    let parsed = blueshift_sql::statement::parse(text)?;
    let mut statements = parsed
        .into_iter()
        .filter(|parsed| !matches!(parsed.statement, Statement::Empty));
    match (statements.next(), statements.next()) {
        (Some(parsed), None) => Ok(parsed),
        _ => Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "one statement is expected here",
        )),
    }
}

/// Refuses to end the transaction by a text made at run time.
fn ensure_not_ending(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Commit | Statement::Rollback => Err(blueshift_sql::Error::unsupported(
            format!("{} in dynamic SQL", tag(statement)),
            "Write it as a statement of the procedure.",
        )
        .into()),
        _ => Ok(()),
    }
}

/// Refuses what needs a transaction of its own, or is the client's. Source: the manual, Limits of stored procedures.
fn ensure_allowed(statement: &Statement) -> Result<()> {
    let is_local = matches!(statement, Statement::Set(set) if set.local);
    let is_append = matches!(statement, Statement::AlterTable(alter)
        if matches!(alter.action, AlterAction::Append { .. }));
    let is_refused = is_local
        || is_append
        || matches!(
            statement,
            Statement::Begin(_)
                | Statement::Commit
                | Statement::Rollback
                | Statement::Prepare(_)
                | Statement::Execute(_)
                | Statement::Deallocate(_)
                | Statement::Discard(_)
                | Statement::Vacuum(_)
                | Statement::CopyJob(_)
                | Statement::CreateDatabase(_)
                | Statement::DropDatabase(_)
                | Statement::Use(_)
                | Statement::Declare(_)
        );
    if !is_refused {
        return Ok(());
    }
    let what = match statement {
        _ if is_local => "SET LOCAL",
        _ if is_append => "ALTER TABLE APPEND",
        statement => tag(statement),
    };
    Err(blueshift_sql::Error::unsupported(
        format!("{what} in a stored procedure"),
        "Send it as a statement of its own, outside of the procedure.",
    )
    .into())
}

/// Reads how many rows a statement changed from its tag.
fn changed_rows(tag: &str) -> Option<u64> {
    let is_change = ["INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "SELECT"]
        .iter()
        .any(|word| tag.starts_with(word));
    let count = tag.rsplit(' ').next()?.parse().ok()?;
    is_change.then_some(count)
}

impl Runner for CallRunner<'_, '_> {
    fn is_nonatomic(&self) -> bool {
        self.is_nonatomic_call()
    }

    fn evaluate<'a>(
        &'a mut self,
        expression: &'a str,
        ty: Option<SqlType>,
        is_plain: bool,
    ) -> Work<'a, Value> {
        Box::pin(async move {
            let is_query = !is_plain && expression.to_ascii_lowercase().contains("select");
            if !is_query {
                return self.compute(expression, ty, is_plain).map_err(told);
            }
            let first = self.first_row(&format!("SELECT {expression}")).await;
            let row = first.map_err(told)?.row.unwrap_or_default();
            let value = row.into_iter().next().map(|field| field.value);
            let value = match value {
                Some(value) => value,
                None => Value::null(ty.unwrap_or(SqlType::Varchar(65_535)))?,
            };
            match ty {
                Some(ty) if ty != value.ty => {
                    let literal = value.literal()?;
                    self.compute(&literal, Some(ty), true).map_err(told)
                }
                _ => Ok(value),
            }
        })
    }

    fn execute<'a>(&'a mut self, text: &'a str, discard: bool) -> Work<'a, Option<u64>> {
        Box::pin(async move { self.execute_all(text, discard).await.map_err(told) })
    }

    fn first<'a>(&'a mut self, text: &'a str) -> Work<'a, First> {
        Box::pin(async move { self.first_row(text).await.map_err(told) })
    }

    fn rows<'a>(&'a mut self, text: &'a str) -> Work<'a, Box<dyn Rows>> {
        Box::pin(async move { self.all_rows(text).await.map_err(told) })
    }

    fn open<'a>(&'a mut self, name: &'a str, text: &'a str) -> Work<'a, ()> {
        Box::pin(async move { self.open_cursor(name, text).await.map_err(told) })
    }

    fn fetch<'a>(&'a mut self, name: &'a str) -> Work<'a, First> {
        Box::pin(async move { self.fetch_row(name).await.map_err(told) })
    }

    fn close(&mut self, name: &str) -> blueshift_sql::Result<()> {
        let closed = cursor::close(self.ctx, Some(name)).map_err(told);
        closed.map(|_| ())
    }

    fn call<'a>(
        &'a mut self,
        name: &'a ObjectName,
        arguments: Vec<Value>,
    ) -> Work<'a, Vec<(usize, Value)>> {
        Box::pin(async move { self.nested(name, arguments).await.map_err(told) })
    }

    fn column_type(&mut self, parts: &[String]) -> blueshift_sql::Result<SqlType> {
        let mut parts = parts.iter().rev().cloned();
        let column = parts.next().unwrap_or_default();
        let name = ObjectName {
            name: parts.next().unwrap_or_default(),
            schema: parts.next(),
            database: None,
            position: 0,
        };
        if name.name.is_empty() {
            return Err(blueshift_sql::Error::new(
                SqlState::UNDEFINED_OBJECT,
                format!("variable \"{column}\" does not exist"),
            ));
        }
        let columns = self.relation_columns(&name).map_err(told)?;
        let found = columns.into_iter().find(|(name, _)| *name == column);
        found.map(|(_, ty)| ty).ok_or_else(|| {
            blueshift_sql::Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{column}\" of relation \"{}\" does not exist",
                    name.name
                ),
            )
        })
    }

    fn row_type(&mut self, name: &ObjectName) -> blueshift_sql::Result<Vec<(String, SqlType)>> {
        self.relation_columns(name).map_err(told)
    }

    fn tell(&mut self, level: Level, message: String, line: usize) -> blueshift_sql::Result<()> {
        self.message(level, message, line).map_err(told)
    }

    fn commit(&mut self) -> Work<'_, ()> {
        Box::pin(async move {
            self.ensure_may_end("COMMIT").map_err(told)?;
            let in_block = self.chain.in_block;
            self.renew(true, in_block).await.map_err(told)
        })
    }

    fn rollback(&mut self) -> Work<'_, ()> {
        Box::pin(async move {
            self.ensure_may_end("ROLLBACK").map_err(told)?;
            let in_block = self.chain.in_block;
            self.renew(false, in_block).await.map_err(told)
        })
    }

    fn start(&mut self) -> Work<'_, ()> {
        Box::pin(async move {
            if self.ctx.transaction.is_explicit {
                return Ok(());
            }
            self.renew(true, true).await.map_err(told)
        })
    }

    fn abandon(&mut self) -> Work<'_, ()> {
        Box::pin(async move {
            let in_block = self.chain.in_block;
            self.renew(false, in_block).await.map_err(told)
        })
    }

    fn settle(&mut self) -> Work<'_, ()> {
        Box::pin(async move {
            let in_block = self.chain.in_block;
            self.renew(true, in_block).await.map_err(told)
        })
    }
}
