//! Who runs what now: sessions come and go, statements begin and end.

use super::control::SessionControl;
use super::{
    EndedSession, FileLoad, FinishedQuery, History, LiveSession, RunningLoad, lock, now_us, push,
};
use blueshift_compute::load::{LoadProgress, LoadedFile, Reject};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A statement that runs; [`History::end_statement`] turns it into a row of STL_QUERY.
#[derive(Clone, Debug)]
pub struct RunningStatement {
    /// The query id.
    pub query: i64,
    /// The user's oid.
    pub userid: u32,
    /// The process id of the session.
    pub pid: i32,
    /// The session's `query_group`.
    pub label: Arc<str>,
    /// The text, secrets masked.
    pub text: Arc<str>,
    /// Microseconds since 1970.
    pub starttime_us: i64,
}

impl History {
    /// Shows a new connection in STV_SESSIONS, unless its user has `limit` of them already.
    pub fn open_session(
        &self,
        pid: i32,
        userid: u32,
        user_name: &str,
        control: Arc<SessionControl>,
        limit: Option<u32>,
    ) -> bool {
        let mut sessions = lock(&self.sessions);
        let open = sessions.iter().filter(|session| session.userid == userid);
        if limit.is_some_and(|limit| open.count() >= usize::try_from(limit).unwrap_or(usize::MAX)) {
            return false;
        }
        sessions.push(LiveSession {
            pid,
            userid,
            user_name: user_name.to_string(),
            starttime_us: now_us(),
            running: None,
            control,
        });
        true
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
        let statement = RunningStatement {
            query,
            userid,
            pid,
            label,
            text,
            starttime_us,
        };
        if let Some(session) = lock(&self.sessions)
            .iter_mut()
            .find(|session| session.pid == pid)
        {
            session.running = Some(statement.clone());
        }
        self.changed.notify_waiters();
        statement
    }

    /// Records the end of a statement in STL_QUERY.
    pub fn end_statement(&self, statement: RunningStatement, xid: i64, aborted: bool) {
        if let Some(session) = lock(&self.sessions)
            .iter_mut()
            .find(|session| session.pid == statement.pid)
        {
            session.running = None;
        }
        self.changed.notify_waiters();
        push(
            &self.queries,
            FinishedQuery {
                userid: statement.userid,
                query: statement.query,
                xid,
                pid: statement.pid,
                label: statement.label,
                text: statement.text,
                starttime_us: statement.starttime_us,
                endtime_us: now_us(),
                aborted,
            },
        );
    }

    /// Records a statement that took no time to speak of, and gives its query id: nobody saw it run.
    pub fn add_statement(&self, mut statement: FinishedQuery) -> i64 {
        statement.query = self.last_query.fetch_add(1, Ordering::Relaxed) + 1;
        let query = statement.query;
        push(&self.queries, statement);
        query
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
            push(
                &self.load_errors,
                super::LoadError {
                    userid: statement.userid,
                    query: statement.query,
                    table: statement.table,
                    starttime_us: statement.starttime_us,
                    session: statement.pid,
                    reject,
                },
            );
        }
    }

    /// Records files that were read in STL_FILE_SCAN, and gives their rows of STL_LOAD_COMMITS.
    pub fn file_scans(&self, statement: &LoadStatement, files: Vec<LoadedFile>) -> Vec<FileLoad> {
        let curtime_us = now_us();
        let rows = files.into_iter().map(|file| FileLoad {
            userid: statement.userid,
            query: statement.query,
            curtime_us,
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
        assert!(history.open_session(7, 100, "admin", Arc::default(), None));
        let mut busy = Box::pin(history.until_busy(true));
        assert!(busy.as_mut().now_or_never().is_none());
        let statement = history.begin_statement(7, 100, "".into(), "SELECT 1".into());
        assert!(busy.now_or_never().is_some());
        let mut idle = Box::pin(history.until_busy(false));
        assert!(idle.as_mut().now_or_never().is_none());
        history.end_statement(statement, 1, false);
        assert!(idle.now_or_never().is_some());
    }
}
