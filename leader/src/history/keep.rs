//! Keeps the history over restarts: what is new in the queues goes to the journal, which is read when the server starts.

use super::action::{Stop, TableChange};
use super::analyze::AnalyzeEvent;
use super::connection::ConnectionEvent;
use super::copy_job::JobMessage;
use super::executed::PackedQuery;
use super::load::EndedLoad;
use super::matview::{RefreshEvent, StateChange};
use super::procedure::{CallEvent, CallMessage};
use super::store::StoreRequest;
use super::transaction::{EndedTransaction, UserChange};
use super::unload::EndedUnload;
use super::vacuum::VacuumEvent;
use super::wlm::{RuleAction, WlmError};
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
            /// They stand behind the rest, as they are packed.
            #[serde(skip)]
            executed: Vec<Arc<PackedQuery>>,
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
                for query in record.executed {
                    executed.push(query);
                }
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
    store_requests: StoreRequest,
    store_errors: StoreRequest,
    copy_job_messages: JobMessage,
    transactions: EndedTransaction,
    user_changes: UserChange,
    stops: Stop,
    table_changes: TableChange,
    rule_actions: RuleAction,
    wlm_errors: WlmError,
}

/// The first byte of a record.
const RECORD: u8 = 3;
/// That of records of older servers, whose finished queries are with the other events. Still older ones begin with the
/// brace of JSON, and have no packed queries.
const OLDER_RECORD: u8 = 2;

impl Record {
    /// [`RECORD`], then pieces, each behind its length in four bytes: events as JSON, finished queries, which are far
    /// more, as postcard has them, and each packed query.
    fn into_bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = vec![RECORD];
        let queries = std::mem::take(&mut self.queries);
        add_piece(
            &mut bytes,
            &serde_json::to_vec(&self).map_err(Error::internal)?,
        )?;
        let queries = postcard::to_stdvec(&queries).map_err(Error::internal)?;
        add_piece(&mut bytes, &queries)?;
        for query in &self.executed {
            add_piece(&mut bytes, query.bytes())?;
        }
        Ok(bytes)
    }

    /// Reads what [`Self::into_bytes`] wrote; `None` if it did not.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        if ![RECORD, OLDER_RECORD].contains(kind) {
            return serde_json::from_slice(bytes).ok();
        }
        let mut record: Self = serde_json::from_slice(piece(&mut rest)?).ok()?;
        if *kind == RECORD {
            record.queries = postcard::from_bytes(piece(&mut rest)?).ok()?;
        }
        while !rest.is_empty() {
            let query = PackedQuery::from_bytes(piece(&mut rest)?);
            record.executed.push(Arc::new(query));
        }
        Some(record)
    }
}

fn add_piece(bytes: &mut Vec<u8>, piece: &[u8]) -> Result<()> {
    let length = u32::try_from(piece.len()).map_err(Error::internal)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(piece);
    Ok(())
}

/// Takes a piece from the front of bytes.
fn piece<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (piece, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(piece)
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
        let journal = store.journal(limits, today(), &mut |record| match Record::from_bytes(
            &record,
        ) {
            Some(record) => history.restore(record),
            None => tracing::warn!("a part of the history is not understood"),
        })?;
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
        history.later.settle();
        let record = history.news(&mut self.written);
        if record.is_empty() {
            return Ok(());
        }
        Ok(self.journal.append(today(), &record.into_bytes()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(query: i64) -> FinishedQuery {
        FinishedQuery {
            userid: 100,
            query,
            xid: 1 << 40,
            pid: -1,
            database: "dev".into(),
            label: "default".into(),
            text: "SELECT 1".into(),
            starttime_us: 5,
            endtime_us: 6,
            aborted: true,
            error: Some(super::super::Failure {
                code: "22012".to_owned(),
                message: "Divide by zero".to_owned(),
            }),
            source: None,
            wlm: vec![crate::history::wlm::Attempt {
                service_class: 6,
                service_class_name: "Default queue".into(),
                slots: 1,
                class_start_us: 1,
                queue_start_us: 2,
                exec_start_us: 3,
                end_us: 4,
                state: crate::history::wlm::FinalState::Completed,
                priority: None,
            }],
        }
    }

    #[test]
    fn records_are_read_again_and_those_of_older_servers() {
        let mut record = Record {
            last_query: 7,
            ..Record::default()
        };
        record.queries.push(finished(3));
        for bytes in [&b"one"[..], b"", b"three"] {
            let query = PackedQuery::from_bytes(bytes);
            record.executed.push(Arc::new(query));
        }
        let bytes = record.into_bytes().expect("bytes");
        let read = Record::from_bytes(&bytes).expect("a record");
        assert_eq!(read.last_query, 7);
        assert_eq!(read.queries.len(), 1);
        assert_eq!(read.queries[0].query, 3);
        assert_eq!(read.queries[0].wlm, finished(3).wlm);
        let queries: Vec<_> = read.executed.iter().map(|query| query.bytes()).collect();
        assert_eq!(queries, [&b"one"[..], b"", b"three"]);
        for cut in 0..bytes.len() {
            let read = Record::from_bytes(&bytes[..cut]);
            assert!(read.is_none_or(|read| read.executed.len() < 3), "{cut}");
        }
        let mut older = vec![OLDER_RECORD];
        let json = serde_json::json!({"last_query": 6, "queries": [finished(4)]});
        add_piece(&mut older, json.to_string().as_bytes()).expect("a piece");
        add_piece(&mut older, b"packed").expect("a piece");
        let older = Record::from_bytes(&older).expect("a record");
        assert_eq!((older.last_query, older.queries[0].query), (6, 4));
        assert_eq!(older.executed[0].bytes(), b"packed");
        let older = Record::from_bytes(br#"{"last_query":5,"executed":[{"query":1}]}"#);
        assert_eq!(older.map(|record| record.last_query), Some(5));
    }
}
