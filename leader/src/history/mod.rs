//! Typed events in bounded queues, and who runs what now.
//!
//! At most [`ROWS_MAX`] rows of each kind are here; [`keep`] keeps them over restarts, but for what happened in the last
//! second before a kill. Load errors are kept apart from transactions, so they outlive the rollback of the COPY that met them.

pub mod action;
pub mod activity;
pub mod analyze;
pub mod connection;
pub mod control;
pub mod copy_job;
pub mod cursor;
pub mod executed;
pub mod external;
pub mod figures;
pub mod filtered;
pub mod keep;
mod later;
pub mod load;
pub mod matview;
pub mod plans;
pub mod procedure;
pub mod scan;
pub mod statistics;
pub mod store;
pub mod transaction;
pub mod unload;
pub mod vacuum;
pub mod wlm;

use blueshift_compute::load::{LoadProgress, LoadedFile, Reject};
use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Rows kept of each kind; older ones go first.
pub const ROWS_MAX: usize = 100_000;

/// A refused row, or a field with replaced characters, with the statement that met it: STL_LOAD_ERRORS,
/// STL_REPLACEMENTS.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LoadError {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The table's oid.
    pub table: u32,
    /// When the load began, in microseconds since 1970.
    pub starttime_us: i64,
    /// The process id of the session.
    pub session: i32,
    /// The oid of the copy job that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_job: Option<u32>,
    /// What was refused or replaced.
    pub reject: Reject,
}

/// A running COPY: STV_LOAD_STATE.
#[derive(Clone, Debug)]
pub struct RunningLoad {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The process id of the session.
    pub pid: i32,
    /// When it began, in microseconds since 1970.
    pub starttime_us: i64,
    /// The oid of the copy job that began it.
    pub copy_job: Option<u32>,
    /// Counters.
    pub progress: Arc<LoadProgress>,
}

/// A file that COPY read: STL_FILE_SCAN, and STL_LOAD_COMMITS once it has committed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FileLoad {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// Microseconds since 1970.
    pub curtime_us: i64,
    /// The oid of the copy job that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_job: Option<u32>,
    /// The file.
    pub file: LoadedFile,
}

/// What a statement failed by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Failure {
    /// The SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
}

/// The query that computed a result which answered another: SVL_QLOG, SYS_QUERY_HISTORY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ResultSource {
    /// Its query id.
    pub query: i64,
    /// Rows of the result.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A finished statement: STL_QUERY, SVL_QLOG. Every field is written: what is packed has no names.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FinishedQuery {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The transaction id.
    pub xid: i64,
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
    /// Microseconds since 1970.
    pub endtime_us: i64,
    /// Whether it failed or was canceled.
    pub aborted: bool,
    /// What it failed by, if that is known.
    pub error: Option<Failure>,
    /// Where its rows came from, if it was not computed.
    #[serde(default)]
    pub source: Option<ResultSource>,
    /// What it did in the queues of the workload manager; empty if it needed none.
    #[serde(default)]
    pub wlm: Vec<wlm::Attempt>,
}

/// A connection: STV_SESSIONS, STV_RECENTS.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// The process id of the session.
    pub pid: i32,
    /// The user's oid.
    pub userid: u32,
    /// The user's name.
    pub user_name: String,
    /// The database's oid.
    pub database: u32,
    /// The database's name.
    pub database_name: Arc<str>,
    /// The oid of the database chosen with USE.
    pub used: Option<u32>,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// The running statement.
    pub running: Option<activity::RunningStatement>,
    /// The open cursor.
    pub cursor: Weak<cursor::CursorFacts>,
    /// What stops it.
    pub control: Arc<control::SessionControl>,
}

/// A connection that ended: STL_SESSIONS.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EndedSession {
    /// The process id of the session.
    pub pid: i32,
    /// The user's oid.
    pub userid: u32,
    /// The user's name.
    pub user_name: String,
    /// The database's name.
    pub database_name: Arc<str>,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Microseconds since 1970.
    pub endtime_us: i64,
}

/// All of it.
#[derive(Debug, Default)]
pub struct History {
    /// Counts since the start.
    pub figures: figures::Figures,
    /// What users scanned of external tables today: SVV_EXTERNAL_SCAN_LIMITS.
    pub daily_scans: scan::DailyScans,
    /// STL_LOAD_ERRORS.
    pub load_errors: Mutex<Events<LoadError>>,
    /// STL_REPLACEMENTS.
    pub replacements: Mutex<Events<LoadError>>,
    /// STL_LOAD_COMMITS.
    pub load_commits: Mutex<Events<FileLoad>>,
    /// STL_FILE_SCAN.
    pub file_scans: Mutex<Events<FileLoad>>,
    /// SYS_LOAD_HISTORY.
    pub loads: Mutex<Events<load::EndedLoad>>,
    /// STL_UNLOAD_LOG, SYS_UNLOAD_HISTORY, SYS_UNLOAD_DETAIL.
    pub unloads: Mutex<Events<unload::EndedUnload>>,
    /// SYS_COPY_JOB_INFO.
    pub copy_job_messages: Mutex<Events<copy_job::JobMessage>>,
    /// Copy jobs at work.
    pub copy_jobs: copy_job::CopyJobs,
    /// SYS_UNLOAD_HISTORY.
    pub running_unloads: Mutex<Vec<Arc<unload::RunningUnload>>>,
    /// STL_S3CLIENT.
    pub store_requests: Mutex<Events<store::StoreRequest>>,
    /// STL_S3CLIENT_ERROR.
    pub store_errors: Mutex<Events<store::StoreRequest>>,
    /// STL_COMMIT_STATS, STL_UNDONE, SYS_TRANSACTION_HISTORY.
    pub transactions: Mutex<Events<transaction::EndedTransaction>>,
    /// STL_USERLOG.
    pub user_changes: Mutex<Events<transaction::UserChange>>,
    /// SVL_TERMINATE.
    pub stops: Mutex<Events<action::Stop>>,
    /// SVL_AUTO_WORKER_ACTION.
    pub table_changes: Mutex<Events<action::TableChange>>,
    /// STV_LOAD_STATE.
    pub running_loads: Mutex<Vec<RunningLoad>>,
    /// STL_QUERY.
    pub queries: Mutex<Events<FinishedQuery>>,
    /// Reads what plans did, when their statements have answered.
    pub later: later::Later,
    /// STL_EXPLAIN, STL_SCAN and its like, SVL_QUERY_REPORT. What is to come waits in `later`.
    pub executed: Mutex<executed::ExecutedQueries>,
    /// STL_CONNECTION_LOG.
    pub connections: Mutex<Events<connection::ConnectionEvent>>,
    /// STL_SESSIONS.
    pub ended_sessions: Mutex<Events<EndedSession>>,
    /// SVL_STORED_PROC_CALL.
    pub calls: Mutex<Events<Arc<procedure::CallEvent>>>,
    /// SVL_STORED_PROC_MESSAGES.
    pub call_messages: Mutex<Events<procedure::CallMessage>>,
    /// STL_ANALYZE.
    pub analyzes: Mutex<Events<analyze::AnalyzeEvent>>,
    /// Whether statements are not remembered.
    pub is_off: bool,
    /// Whether plans are looked at while they run, remembered or not.
    pub watches_plans: AtomicBool,
    /// STL_WLM_RULE_ACTION.
    pub rule_actions: Mutex<Events<wlm::RuleAction>>,
    /// STL_WLM_ERROR.
    pub wlm_errors: Mutex<Events<wlm::WlmError>>,
    /// What is known of tables.
    pub statistics: statistics::Statistics,
    /// STL_VACUUM.
    pub vacuums: Mutex<Events<vacuum::VacuumEvent>>,
    /// SVL_MV_REFRESH_STATUS.
    pub refreshes: Mutex<Events<matview::RefreshEvent>>,
    /// STL_MV_STATE.
    pub state_changes: Mutex<Events<matview::StateChange>>,
    /// SVV_VACUUM_PROGRESS.
    pub running_vacuums: Mutex<vacuum::RunningVacuums>,
    /// STV_SESSIONS.
    pub sessions: Mutex<Vec<LiveSession>>,
    /// Oids of databases that nobody may connect to, as they are being changed or dropped; locked after `sessions`.
    pub closed_databases: Mutex<HashSet<u32>>,
    /// Told whenever a statement begins or ends.
    pub changed: tokio::sync::Notify,
    /// The last query id given.
    pub last_query: AtomicI64,
    /// The last transaction id given.
    pub last_xid: AtomicI64,
}

/// The copy job that system tables show where none began a load.
pub const NO_COPY_JOB: i64 = -1;

/// Gives a copy job's oid as system tables show it.
pub fn shown_job(copy_job: Option<u32>) -> i64 {
    copy_job.map_or(NO_COPY_JOB, i64::from)
}

/// Locks a mutex; what a panicking holder left is still whole, as every change here is one push or one removal.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a row to a queue; the oldest goes when [`ROWS_MAX`] are there.
pub fn push<T>(queue: &Mutex<Events<T>>, row: T) {
    let mut events = lock(queue);
    if events.rows.len() >= ROWS_MAX {
        events.rows.pop_front();
        figures::EVENTS_DROPPED.add(1);
    }
    events.rows.push_back(row);
    events.added += 1;
}

/// A queue that knows how many rows it ever got.
#[derive(Debug)]
pub struct Events<T> {
    rows: VecDeque<T>,
    added: u64,
}

impl<T> Default for Events<T> {
    fn default() -> Self {
        Self {
            rows: VecDeque::new(),
            added: 0,
        }
    }
}

impl<T> Deref for Events<T> {
    type Target = VecDeque<T>;

    fn deref(&self) -> &VecDeque<T> {
        &self.rows
    }
}

impl<T: Clone> Events<T> {
    /// Gives the rows added since `seen` were, as far as they are still here, and notes them as seen.
    pub fn since(&self, seen: &mut u64) -> Vec<T> {
        let news = usize::try_from(self.added - *seen).unwrap_or(usize::MAX);
        *seen = self.added;
        let skipped = self.rows.len().saturating_sub(news);
        self.rows.iter().skip(skipped).cloned().collect()
    }
}

/// Gives the time, in microseconds since 1970.
pub fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
