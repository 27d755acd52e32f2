//! Calls of procedures: when they ran, what they said.

use super::wlm::Attempt;
use super::{FinishedQuery, History, now_us, push};
use blueshift_sql::procedural::{Level, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Messages one call may raise.
pub const MESSAGES_MAX: usize = 100_000;

/// A call of a procedure: SVL_STORED_PROC_CALL.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CallEvent {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The transaction id it began in.
    pub xid: i64,
    /// The process id of the session.
    pub pid: i32,
    /// The database of the session.
    pub database: Arc<str>,
    /// The call as text.
    pub text: String,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Microseconds since 1970.
    pub endtime_us: i64,
    /// Whether it failed or was canceled.
    pub aborted: bool,
    /// The query id of the call that made it.
    pub from: Option<i64>,
}

impl CallEvent {
    /// Writes a call as text, without its values: they may be secrets.
    pub fn text_of(name: &str, inputs: &[Value]) -> String {
        let places: Vec<_> = (1..=inputs.len()).map(|at| format!("${at}")).collect();
        format!("CALL {name}({})", places.join(", "))
    }

    /// Begins a call.
    pub fn new(
        userid: u32,
        query: i64,
        xid: i64,
        pid: i32,
        text: String,
        from: Option<i64>,
    ) -> Self {
        Self {
            userid,
            query,
            xid,
            pid,
            database: Arc::default(),
            text,
            starttime_us: now_us(),
            endtime_us: 0,
            aborted: true,
            from,
        }
    }
}

/// What RAISE said.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Message {
    /// Microseconds since 1970.
    pub recordtime_us: i64,
    /// How grave it is.
    pub level: Level,
    /// The text.
    pub text: String,
    /// The line of the procedure.
    pub line: usize,
}

/// A message with its call: SVL_STORED_PROC_MESSAGES.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CallMessage {
    /// The call.
    pub call: Arc<CallEvent>,
    /// What it said.
    pub message: Message,
}

/// A call that runs; what it did is recorded when this is dropped, also if it was canceled.
pub struct CallRecord {
    history: Arc<History>,
    event: CallEvent,
    messages: Vec<Message>,
}

impl CallRecord {
    /// Begins a record; the call counts as aborted until [`CallRecord::succeed`].
    pub fn begin(history: Arc<History>, mut event: CallEvent) -> Self {
        event.database = history.database_of(event.pid);
        Self {
            history,
            event,
            messages: Vec::new(),
        }
    }

    /// Adds a message.
    pub fn say(&mut self, message: Message) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(message);
        }
    }

    /// Notes that the call ended well.
    pub fn succeed(&mut self) {
        self.event.aborted = false;
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        self.event.endtime_us = now_us();
        let call = Arc::new(self.event.clone());
        for message in self.messages.drain(..) {
            let call = call.clone();
            push(&self.history.call_messages, CallMessage { call, message });
        }
        push(&self.history.calls, call);
    }
}

impl History {
    /// Gives a query id to a statement inside another.
    pub fn next_query(&self) -> i64 {
        self.last_query.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records the end of a statement inside a procedure in STL_QUERY.
    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub fn end_inner(
        &self,
        query: i64,
        userid: u32,
        pid: i32,
        xid: i64,
        text: String,
        starttime_us: i64,
        aborted: bool,
        wlm: Vec<Attempt>,
    ) {
        if self.is_off {
            return;
        }
        push(
            &self.queries,
            FinishedQuery {
                userid,
                query,
                xid,
                pid,
                database: self.database_of(pid),
                label: "default".into(),
                text: text.into(),
                starttime_us,
                endtime_us: now_us(),
                aborted,
                error: None,
                source: None,
                wlm,
            },
        );
    }
}
