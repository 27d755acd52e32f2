//! One transaction of a copy job: the rows of some files, and their entries in the ledger, in one commit.

use crate::catalog::copy_job::CopyJob;
use crate::catalog::{Catalog, User};
use crate::error::sqlstate::report;
use crate::error::{Error, Result};
use crate::history::control::StopSign;
use crate::history::copy_job::JobSession;
use crate::history::figures::StatementKind;
use crate::history::{Failure, now_us};
use crate::planner::log::PlanLog;
use crate::server::Server;
use crate::settings::Settings;
use crate::statement::context::{Context, LastStatements};
use crate::statement::copy::{self, JobFiles};
use crate::system::Asked;
use crate::transaction::Transaction;
use crate::transaction::ledger::{EntryState, Ledger, file};
use crate::transaction::lock::{Lockable, Mode};
use crate::transaction::read::TableReads;
use crate::wlm::admission::{Seat, Ticket, Visitor};
use crate::wlm::classify::Principal;
use crate::wlm::scheduler::Kind;
use blueshift_compute::load::FoundFile;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::copy::Copy;
use futures::FutureExt;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// How long a background job waits for a lock before it tries again later: others wait for its place.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// The label of its statements in STL_QUERY.
const LABEL: &str = "copy job";

/// A job whose ledger can be changed.
pub(super) struct Target {
    pub(super) server: Arc<Server>,
    pub(super) job: Arc<CopyJob>,
    /// Whether somebody asked for it with RUN.
    pub(super) is_asked: bool,
}

/// What became of a batch.
pub(super) enum Outcome {
    /// Its rows are committed.
    Loaded {
        /// How many.
        rows: u64,
    },
    /// The job was dropped, or is not to run by itself any more.
    Over,
    /// Nothing was loaded.
    Failed {
        /// Why.
        error: Error,
        /// The names of files that have refused rows.
        refused: Vec<String>,
    },
}

impl Target {
    /// Begins a transaction that may change job and ledger; `None` if the job has ended.
    async fn begin(&self, pid: i32) -> Result<Option<Transaction>> {
        let transactions = &self.server.transactions;
        let mut transaction = transactions.begin_in(self.job.database, pid, false);
        transaction.lock_timeout = (!self.is_asked).then_some(LOCK_WAIT);
        let table = Lockable::Relation(self.job.table);
        transaction.lock(table, Mode::Append).await?;
        let own = Lockable::Relation(self.job.oid);
        transaction.lock(own, Mode::Exclusive).await?;
        let catalog = transaction.catalog()?;
        let job = catalog.copy_jobs.get(&self.job.oid);
        let goes_on = job.is_some_and(|job| job.auto || self.is_asked);
        let has_table = catalog.tables.contains_key(&self.job.table);
        Ok((goes_on && has_table).then_some(transaction))
    }

    /// Gives the job's owner as queues see them.
    fn principal(&self) -> Arc<Principal> {
        let catalog = self.server.transactions.committed_catalog();
        let owner = self.job.owner;
        let (groups, roles) = match &catalog {
            Ok(catalog) => catalog.groups_and_roles_of(owner),
            Err(_) => Default::default(),
        };
        let user = catalog.ok();
        let user = user.as_ref().and_then(|catalog| catalog.users.get(&owner));
        Arc::new(Principal {
            userid: owner,
            superuser: user.is_some_and(|user| user.superuser),
            groups,
            roles,
            query_group: LABEL.into(),
        })
    }

    /// Changes the ledger alone.
    pub(super) async fn note(
        &self,
        ledger: &mut Ledger,
        change: impl FnOnce(&mut Ledger),
    ) -> Result<()> {
        let Some(mut transaction) = self.begin(0).await? else {
            return Ok(());
        };
        let view = transaction.view()?;
        ledger.refresh(&view)?;
        change(ledger);
        commit_ledger(&mut transaction, ledger)?;
        transaction.commit().await
    }

    /// Loads files in one transaction.
    pub(super) async fn load(
        &self,
        session: &JobSession,
        files: &Arc<[FoundFile]>,
        ledger: &mut Ledger,
    ) -> (i64, Outcome) {
        let history = &self.server.history;
        let token = session.control.renew();
        let text = blueshift_sql::statement::redacted(&self.job.text);
        let mut running =
            history.begin_statement(session.pid, self.job.owner, LABEL.into(), text.into());
        running.kind = StatementKind::Copy;
        let query = running.query;
        let (mut refused, mut xid) = (Vec::new(), 0);
        let seat = Arc::default();
        let visitor = Visitor {
            query,
            pid: session.pid,
            text: Arc::clone(&running.text),
            principal: self.principal(),
            slots: 1,
            plans: Arc::clone(&running.plans),
            stop: token.clone(),
            seat: Arc::clone(&seat),
        };
        let ticket = Ticket::new(Arc::clone(&self.server.wlm), visitor);
        ticket.set_kind(Kind::Maintenance);
        let plans = PlanLog::over(Arc::clone(&running.plans), StopSign::default());
        let batch = Batch {
            target: self,
            pid: session.pid,
            query,
            files,
            seat,
            plans: Arc::new(plans.with_ticket(Arc::clone(&ticket))),
        };
        let work = AssertUnwindSafe(batch.prepare(ledger, &mut refused, &mut xid)).catch_unwind();
        let prepared = tokio::select! {
            biased;
            () = token.cancelled() => Err(canceled(query)),
            prepared = work => prepared.unwrap_or_else(|_| Err(panicked(query))),
        };
        // From here on nothing is canceled: a commit that was begun is waited for.
        let outcome = match prepared {
            Ok(Some((transaction, rows))) => transaction.commit().await.map(|()| Some(rows)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let ended = outcome.as_ref().map(|_| ()).map_err(|error| {
            let report = report(error);
            Some(Failure {
                code: report.code.0.to_owned(),
                message: report.message,
            })
        });
        let wlm = ticket.finish(ended.is_ok());
        history.end_statement(running, xid, ended, wlm);
        let outcome = match outcome {
            Ok(Some(rows)) => Outcome::Loaded { rows },
            Ok(None) => Outcome::Over,
            Err(error) => Outcome::Failed { error, refused },
        };
        (query, outcome)
    }
}

/// One batch on its way to the commit.
struct Batch<'a> {
    target: &'a Target,
    pid: i32,
    query: i64,
    files: &'a Arc<[FoundFile]>,
    seat: Arc<Seat>,
    plans: Arc<PlanLog>,
}

impl Batch<'_> {
    /// Does all but the commit; `None` if the job has ended.
    async fn prepare(
        &self,
        ledger: &mut Ledger,
        refused: &mut Vec<String>,
        xid: &mut i64,
    ) -> Result<Option<(Transaction, u64)>> {
        let server = &self.target.server;
        let Some(mut transaction) = self.target.begin(self.pid).await? else {
            return Ok(None);
        };
        transaction.seat = Some(Arc::clone(&self.seat));
        *xid = transaction.xid;
        let view = transaction.view()?;
        ledger.refresh(&view)?;
        self.ensure_new(ledger)?;
        let catalog = transaction.catalog()?;
        let user = owner(&catalog, &self.target.job)?;
        let connected = catalog.databases.get(&self.target.job.database);
        let connected = connected.ok_or_else(|| Error::internal("a job has no database"))?;
        let copy = self.copy_now(&catalog)?;
        let reads = Arc::new(TableReads::of(&server.transactions, transaction.xid));
        let (mut settings, mut last) = (Settings::default(), LastStatements::default());
        let (mut prepared, mut cursor, mut temp_schema) = (HashMap::new(), None, None);
        let mut used = None;
        let mut ctx = Context {
            server,
            user: &user,
            pid: self.pid,
            connected,
            used: &mut used,
            query: self.query,
            transaction: &mut transaction,
            settings: &mut settings,
            asked: Asked::default(),
            reads: Arc::clone(&reads),
            plans: Arc::clone(&self.plans),
            prepared: &mut prepared,
            cursor: &mut cursor,
            last: &mut last,
            temp_schema: &mut temp_schema,
            parameters: &[],
            notices: Vec::new(),
        };
        let files = JobFiles {
            job: self.target.job.oid,
            files: Arc::clone(self.files),
            refused,
        };
        let rows = Box::pin(copy::load(&mut ctx, &copy, Some(files))).await?;
        self.enter(ledger);
        commit_ledger(&mut transaction, ledger)?;
        transaction.end_statement(reads.tables()).await?;
        Ok(Some((transaction, rows)))
    }

    /// Never loads a file twice: one round of a job runs at a time, so this does not happen.
    fn ensure_new(&self, ledger: &Ledger) -> Result<()> {
        let is_taken = |found: &&FoundFile| {
            let entry = ledger.find(&found.url, &file::position(found));
            entry.is_some_and(|entry| matches!(entry.state, EntryState::Taken | EntryState::Before))
        };
        match self.files.iter().find(is_taken) {
            None => Ok(()),
            Some(found) => {
                let text = format!("file {} was to be loaded again", found.url);
                Err(Error::internal(text))
            }
        }
    }

    /// Gives the COPY of the job, its table named as it is now. It is locked, so the name stays.
    fn copy_now(&self, catalog: &Catalog) -> Result<Copy> {
        let job = &self.target.job;
        let table = catalog.tables.get(&job.table);
        let schema = table.and_then(|table| catalog.schemas.get(&table.schema));
        let (Some(table), Some(schema)) = (table, schema) else {
            return Err(Error::internal("the table of a copy job is gone"));
        };
        Ok(Copy {
            table: ObjectName {
                database: None,
                schema: Some(schema.name.clone()),
                name: table.name.clone(),
                position: 0,
            },
            ..job.copy()?
        })
    }

    /// Enters the files as taken. Versions of them that could not be loaded need nobody's care any more.
    fn enter(&self, ledger: &mut Ledger) {
        let now = now_us();
        let names: HashSet<&str> = self.files.iter().map(|found| found.url.as_str()).collect();
        let is_past = |state| matches!(state, EntryState::Parked | EntryState::Waiting);
        let has_past = ledger
            .entries()
            .any(|entry| is_past(entry.state) && names.contains(entry.unit.as_str()));
        if has_past {
            let positions: HashSet<(&str, String)> = self
                .files
                .iter()
                .map(|found| (found.url.as_str(), file::position(found)))
                .collect();
            ledger.retain(|entry| {
                let is_own = positions.contains(&(entry.unit.as_str(), entry.position.clone()));
                !is_past(entry.state) || is_own || !names.contains(entry.unit.as_str())
            });
        }
        for found in self.files.iter() {
            let mut entry = file::entry(found, EntryState::Taken, now);
            if let Some(known) = ledger.find(&entry.unit, &entry.position) {
                entry.attempts = known.attempts;
                entry.noticed_us = known.noticed_us;
            }
            entry.attempts += 1;
            entry.query = self.query;
            ledger.put(entry);
        }
    }
}

fn commit_ledger(transaction: &mut Transaction, ledger: &Ledger) -> Result<()> {
    for change in ledger.changes()? {
        transaction.change_catalog(change);
    }
    Ok(())
}

/// Finds the owner of a job as they are now. Who has the role of superusers is one.
fn owner(catalog: &Catalog, job: &CopyJob) -> Result<Arc<User>> {
    let user = catalog.users.get(&job.owner).ok_or_else(|| {
        Error::new(
            SqlState::INVALID_AUTHORIZATION,
            format!("the owner of copy job \"{}\" does not exist", job.name),
        )
    })?;
    Ok(match catalog.is_superuser(user) && !user.superuser {
        true => Arc::new(User {
            superuser: true,
            ..User::clone(user)
        }),
        false => Arc::clone(user),
    })
}

fn canceled(query: i64) -> Error {
    let text = format!("Query ({query}) canceled on user's request");
    Error::new(SqlState::QUERY_CANCELED, text)
}

fn panicked(query: i64) -> Error {
    Error::internal(format!("query {query} of a copy job panicked"))
}
