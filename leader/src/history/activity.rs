//! Who runs what now: sessions come and go, statements begin and end.

use super::control::SessionControl;
use super::figures::{StatementKind, StatementOutcome};
use super::plans::RunningPlans;
use super::wlm::Attempt;
use super::{
    EndedSession, Failure, FileLoad, FinishedQuery, History, LiveSession, ResultSource,
    RunningLoad, lock, now_us, push,
};
use blueshift_compute::load::{LoadProgress, LoadedFile, Reject};
use blueshift_sql::SqlState;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// A statement that runs; [`History::end_statement`] turns it into a row of STL_QUERY.
#[derive(Clone, Debug)]
pub struct RunningStatement {
    /// The query id.
    pub query: i64,
    /// The user's oid.
    pub userid: u32,
    /// The process id of the session.
    pub pid: i32,
    /// The database of the session.
    pub database: Arc<str>,
    /// The session's `query_group`.
    pub label: Arc<str>,
    /// The text, secrets masked.
    pub text: Arc<str>,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// What it is.
    pub kind: StatementKind,
    /// Its plans.
    pub plans: Arc<RunningPlans>,
    /// Where its rows come from, if it is not computed; known at its end.
    pub source: Option<ResultSource>,
}

/// Who connects to what.
pub struct Opening<'a> {
    /// The process id of the session.
    pub pid: i32,
    /// The user's oid.
    pub userid: u32,
    /// The user's name.
    pub user_name: &'a str,
    /// Connections the user may have.
    pub user_limit: Option<u32>,
    /// The database's oid.
    pub database: u32,
    /// The database's name.
    pub database_name: &'a str,
    /// Connections the database may have.
    pub database_limit: Option<u32>,
    /// What stops the session.
    pub control: Arc<SessionControl>,
}

/// Why a session was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// The user has as many connections as may be.
    UserLimit,
    /// The database has.
    DatabaseLimit,
    /// The database is being changed or dropped.
    Closed,
}

/// A database that nobody can connect to while this lives.
pub struct ClosedDatabase {
    history: Arc<History>,
    database: u32,
}

impl Drop for ClosedDatabase {
    fn drop(&mut self) {
        lock(&self.history.closed_databases).remove(&self.database);
    }
}

impl History {
    /// Shows a new connection in STV_SESSIONS, unless there are as many as may be.
    pub fn open_session(&self, opening: Opening<'_>) -> Result<(), NotOpened> {
        let mut sessions = lock(&self.sessions);
        if lock(&self.closed_databases).contains(&opening.database) {
            self.figures.sessions_refused.add(1);
            return Err(NotOpened::Closed);
        }
        let is_full = |limit: Option<u32>, counts: &dyn Fn(&LiveSession) -> bool| {
            let open = sessions.iter().filter(|session| counts(session)).count();
            limit.is_some_and(|limit| open >= usize::try_from(limit).unwrap_or(usize::MAX))
        };
        if is_full(opening.user_limit, &|session| {
            session.userid == opening.userid
        }) {
            self.figures.sessions_refused.add(1);
            return Err(NotOpened::UserLimit);
        }
        let is_in = |session: &LiveSession| session.database == opening.database;
        if is_full(opening.database_limit, &is_in) {
            self.figures.sessions_refused.add(1);
            return Err(NotOpened::DatabaseLimit);
        }
        self.figures.sessions_opened.add(1);
        sessions.push(LiveSession {
            pid: opening.pid,
            userid: opening.userid,
            user_name: opening.user_name.to_string(),
            database: opening.database,
            database_name: opening.database_name.into(),
            used: None,
            starttime_us: now_us(),
            running: None,
            cursor: Weak::new(),
            control: opening.control,
        });
        Ok(())
    }

    /// Notes which database a session has chosen with USE; fails if it is closed.
    pub fn use_database(&self, pid: i32, database: Option<u32>) -> Result<(), NotOpened> {
        let mut sessions = lock(&self.sessions);
        let is_closed = |oid: u32| lock(&self.closed_databases).contains(&oid);
        if database.is_some_and(is_closed) {
            return Err(NotOpened::Closed);
        }
        if let Some(session) = sessions.iter_mut().find(|session| session.pid == pid) {
            session.used = database;
        }
        Ok(())
    }

    /// Gives the name of the database of a session.
    pub fn database_of(&self, pid: i32) -> Arc<str> {
        let sessions = lock(&self.sessions);
        let session = sessions.iter().find(|session| session.pid == pid);
        session.map_or_else(Arc::default, |session| Arc::clone(&session.database_name))
    }

    /// Keeps others from connecting to a database until the answer is dropped.
    pub fn close_database(self: &Arc<Self>, database: u32) -> ClosedDatabase {
        let _sessions = lock(&self.sessions);
        lock(&self.closed_databases).insert(database);
        ClosedDatabase {
            history: Arc::clone(self),
            database,
        }
    }

    /// Gives the sessions other than `pid` that are connected to a database, or use it.
    pub fn others_in(&self, database: u32, pid: i32) -> Vec<Arc<SessionControl>> {
        let sessions = lock(&self.sessions);
        let others = sessions.iter().filter(|session| {
            let is_in = session.database == database || session.used == Some(database);
            is_in && session.pid != pid
        });
        others.map(|session| Arc::clone(&session.control)).collect()
    }

    /// Takes a connection out of STV_SESSIONS.
    pub fn close_session(&self, pid: i32) {
        let mut sessions = lock(&self.sessions);
        let place = sessions.iter().position(|session| session.pid == pid);
        let ended = place.map(|place| sessions.remove(place));
        drop(sessions);
        if let Some(session) = ended {
            push(
                &self.ended_sessions,
                EndedSession {
                    pid,
                    userid: session.userid,
                    user_name: session.user_name,
                    database_name: session.database_name,
                    starttime_us: session.starttime_us,
                    endtime_us: now_us(),
                },
            );
        }
        self.changed.notify_waiters();
    }

    /// Gives a statement its query id and shows it in STV_RECENTS. `text` must have its secrets masked; `label` is the
    /// session's `query_group`.
    pub fn begin_statement(
        &self,
        pid: i32,
        userid: u32,
        label: Arc<str>,
        text: Arc<str>,
    ) -> RunningStatement {
        let query = self.last_query.fetch_add(1, Ordering::Relaxed) + 1;
        let starttime_us = now_us();
        let mut statement = RunningStatement {
            query,
            userid,
            pid,
            database: Arc::default(),
            label,
            text,
            starttime_us,
            kind: StatementKind::default(),
            plans: Arc::new(RunningPlans::new(!self.keeps_plans())),
            source: None,
        };
        if let Some(session) = lock(&self.sessions)
            .iter_mut()
            .find(|session| session.pid == pid)
        {
            statement.database = Arc::clone(&session.database_name);
            session.running = Some(statement.clone());
        }
        self.changed.notify_waiters();
        statement
    }

    /// Records the end of a statement in STL_QUERY; `outcome` is what it failed by, if that is known, `wlm` what it did in
    /// the queues.
    pub fn end_statement(
        &self,
        statement: RunningStatement,
        xid: i64,
        outcome: Result<(), Option<Failure>>,
        wlm: Vec<Attempt>,
    ) {
        if let Some(session) = lock(&self.sessions)
            .iter_mut()
            .find(|session| session.pid == statement.pid)
        {
            session.running = None;
        }
        self.changed.notify_waiters();
        let counted = match &outcome {
            Ok(()) => StatementOutcome::Succeeded,
            Err(Some(failure)) if failure.code == SqlState::QUERY_CANCELED.0 => {
                StatementOutcome::Canceled
            }
            Err(_) => StatementOutcome::Failed,
        };
        let took_us = now_us() - statement.starttime_us;
        self.figures.statement(statement.kind, counted, took_us);
        if self.is_off {
            return;
        }
        push(
            &self.queries,
            FinishedQuery {
                userid: statement.userid,
                query: statement.query,
                xid,
                pid: statement.pid,
                database: statement.database,
                label: statement.label,
                text: statement.text,
                starttime_us: statement.starttime_us,
                endtime_us: now_us(),
                aborted: outcome.is_err(),
                error: outcome.err().flatten(),
                source: statement.source,
                wlm,
            },
        );
    }

    /// Tells whether plans are noted while they run.
    pub fn keeps_plans(&self) -> bool {
        !self.is_off || self.watches_plans.load(Ordering::Relaxed)
    }

    /// Records a statement that took no time to speak of, and gives its query id: nobody saw it run.
    pub fn add_statement(&self, mut statement: FinishedQuery) -> i64 {
        statement.query = self.last_query.fetch_add(1, Ordering::Relaxed) + 1;
        let query = statement.query;
        let took_us = statement.endtime_us - statement.starttime_us;
        let (kind, outcome) = (StatementKind::Insert, StatementOutcome::Succeeded);
        self.figures.statement(kind, outcome, took_us);
        if !self.is_off {
            push(&self.queries, statement);
        }
        query
    }

    /// Lists the statements that run.
    pub fn running(&self) -> Vec<RunningStatement> {
        let sessions = lock(&self.sessions);
        let running = sessions.iter();
        running
            .filter_map(|session| session.running.clone())
            .collect()
    }

    /// Tells whether any session runs a statement.
    pub fn is_busy(&self) -> bool {
        let sessions = lock(&self.sessions);
        sessions.iter().any(|session| session.running.is_some())
    }

    /// Waits until a statement runs, or until none does.
    pub async fn until_busy(&self, busy: bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // What changes from here on is not missed.
            changed.as_mut().enable();
            if self.is_busy() == busy {
                return;
            }
            changed.await;
        }
    }

    /// Shows a COPY in STV_LOAD_STATE until the guard is dropped.
    pub fn begin_load(self: &Arc<Self>, load: RunningLoad) -> LoadGuard {
        let progress = load.progress.clone();
        lock(&self.running_loads).push(load);
        LoadGuard {
            history: self.clone(),
            progress,
        }
    }

    /// Records refused rows in STL_LOAD_ERRORS.
    pub fn load_errors(&self, statement: &LoadStatement, rejects: Vec<Reject>) {
        for reject in rejects {
            push(&self.load_errors, statement.told(reject));
        }
    }

    /// Records fields with replaced characters in STL_REPLACEMENTS.
    pub fn replacements(&self, statement: &LoadStatement, replaced: Vec<Reject>) {
        for reject in replaced {
            push(&self.replacements, statement.told(reject));
        }
    }

    /// Records files that were read in STL_FILE_SCAN, and gives their rows of STL_LOAD_COMMITS.
    pub fn file_scans(&self, statement: &LoadStatement, files: Vec<LoadedFile>) -> Vec<FileLoad> {
        let curtime_us = now_us();
        let rows = files.into_iter().map(|file| FileLoad {
            userid: statement.userid,
            query: statement.query,
            curtime_us,
            copy_job: statement.copy_job,
            file,
        });
        let rows: Vec<_> = rows.collect();
        for row in &rows {
            push(&self.file_scans, row.clone());
        }
        rows
    }

    /// Records files whose load has committed in STL_LOAD_COMMITS.
    pub fn load_commits(&self, files: Vec<FileLoad>) {
        for file in files {
            push(&self.load_commits, file);
        }
    }
}

/// The COPY that rows of the load tables belong to.
#[derive(Clone, Copy, Debug)]
pub struct LoadStatement {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The process id of the session.
    pub pid: i32,
    /// The table's oid.
    pub table: u32,
    /// When it began, in microseconds since 1970.
    pub starttime_us: i64,
    /// The oid of the copy job that began it.
    pub copy_job: Option<u32>,
}

impl LoadStatement {
    fn told(&self, reject: Reject) -> super::LoadError {
        super::LoadError {
            userid: self.userid,
            query: self.query,
            table: self.table,
            starttime_us: self.starttime_us,
            session: self.pid,
            copy_job: self.copy_job,
            reject,
        }
    }
}

/// Takes a COPY out of STV_LOAD_STATE when dropped, and tells its workers to stop.
pub struct LoadGuard {
    history: Arc<History>,
    progress: Arc<LoadProgress>,
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.progress.canceled.store(true, Ordering::Relaxed);
        lock(&self.history.running_loads)
            .retain(|load| !Arc::ptr_eq(&load.progress, &self.progress));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn background_work_learns_when_statements_begin_and_end() {
        let history = History::default();
        let opening = |pid| Opening {
            pid,
            userid: 100,
            user_name: "admin",
            user_limit: None,
            database: 1,
            database_name: "dev",
            database_limit: Some(1),
            control: Arc::default(),
        };
        assert_eq!(history.open_session(opening(7)), Ok(()));
        assert_eq!(
            history.open_session(opening(8)),
            Err(NotOpened::DatabaseLimit)
        );
        let mut busy = Box::pin(history.until_busy(true));
        assert!(busy.as_mut().now_or_never().is_none());
        let statement = history.begin_statement(7, 100, "".into(), "SELECT 1".into());
        assert!(busy.now_or_never().is_some());
        let mut idle = Box::pin(history.until_busy(false));
        assert!(idle.as_mut().now_or_never().is_none());
        history.end_statement(statement, 1, Ok(()), Vec::new());
        assert!(idle.now_or_never().is_some());
    }
}
