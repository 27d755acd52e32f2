//! Keeps the history over restarts: what is new in the queues goes to the journal, which is read when the server starts.

use super::action::{Stop, TableChange};
use super::analyze::AnalyzeEvent;
use super::connection::ConnectionEvent;
use super::copy_job::JobMessage;
use super::executed::ExecutedQuery;
use super::load::EndedLoad;
use super::matview::{RefreshEvent, StateChange};
use super::procedure::{CallEvent, CallMessage};
use super::transaction::{EndedTransaction, UserChange};
use super::unload::EndedUnload;
use super::vacuum::VacuumEvent;
use super::{EndedSession, FileLoad, FinishedQuery, History, LoadError, lock, now_us, push};
use crate::error::{Error, Result};
use blueshift_storage::store::{Journal, JournalLimits, Store};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes that the journal holds at most.
const BYTES_MAX: u64 = 256 << 20;
/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Makes the record of a list of queues, and what moves between it and the queues.
macro_rules! queues {
    ($($name:ident: $event:ty,)*) => {
        /// What happened since the record before.
        #[derive(Debug, Default, Deserialize, Serialize)]
        struct Record {
            /// The last query id given.
            #[serde(default)]
            last_query: i64,
            /// The last transaction id given.
            #[serde(default)]
            last_xid: i64,
            $(
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                $name: Vec<$event>,
            )*
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            executed: Vec<Arc<ExecutedQuery>>,
        }

        /// How many events of each queue are in the journal.
        #[derive(Clone, Copy, Debug, Default)]
        struct Written {
            $($name: u64,)*
            executed: u64,
        }

        impl History {
            /// Takes what is new since `written`.
            fn news(&self, written: &mut Written) -> Record {
                let mut record = Record {
                    last_query: self.last_query.load(Ordering::Relaxed),
                    last_xid: self.last_xid.load(Ordering::Relaxed),
                    ..Record::default()
                };
                $(record.$name = lock(&self.$name).since(&mut written.$name);)*
                record.executed = lock(&self.executed).since(&mut written.executed);
                record
            }

            fn restore(&self, record: Record) {
                self.last_query.fetch_max(record.last_query, Ordering::Relaxed);
                self.last_xid.fetch_max(record.last_xid, Ordering::Relaxed);
                $(record.$name.into_iter().for_each(|event| push(&self.$name, event));)*
                let mut executed = lock(&self.executed);
                record.executed.into_iter().for_each(|query| executed.push(query));
            }
        }

        impl Record {
            fn is_empty(&self) -> bool {
                $(self.$name.is_empty() &&)* self.executed.is_empty()
            }
        }
    };
}

queues! {
    queries: FinishedQuery,
    load_errors: LoadError,
    replacements: LoadError,
    load_commits: FileLoad,
    file_scans: FileLoad,
    ended_sessions: EndedSession,
    connections: ConnectionEvent,
    calls: Arc<CallEvent>,
    call_messages: CallMessage,
    analyzes: AnalyzeEvent,
    vacuums: VacuumEvent,
    refreshes: RefreshEvent,
    state_changes: StateChange,
    loads: EndedLoad,
    unloads: EndedUnload,
    copy_job_messages: JobMessage,
    transactions: EndedTransaction,
    user_changes: UserChange,
    stops: Stop,
    table_changes: TableChange,
}

/// The journal of a history.
#[derive(Debug)]
pub struct Keeper {
    journal: Journal,
    written: Written,
}

fn today() -> u32 {
    u32::try_from(now_us() / DAY_US).unwrap_or(0)
}

impl Keeper {
    /// Reads what was kept into a new history, and keeps it for a number of days. Records that cannot be read are told
    /// of and left out. Blocks.
    pub fn open(store: &Store, history: &History, days: u32) -> Result<Self> {
        let limits = JournalLimits {
            bytes: BYTES_MAX,
            days: days.max(1),
        };
        let journal = store.journal(
            limits,
            today(),
            &mut |record| match serde_json::from_slice(&record) {
                Ok(record) => history.restore(record),
                Err(error) => tracing::warn!(%error, "a part of the history is not understood"),
            },
        )?;
        // All that is there now came from the journal.
        let mut written = Written::default();
        history.news(&mut written);
        Ok(Self { journal, written })
    }

    /// Writes what is new. What cannot be written is lost. Blocks.
    pub fn keep(&mut self, history: &History) -> Result<()> {
        if history.is_off {
            return Ok(());
        }
        let record = history.news(&mut self.written);
        if record.is_empty() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&record).map_err(Error::internal)?;
        Ok(self.journal.append(today(), &bytes)?)
    }
}
