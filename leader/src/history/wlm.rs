//! What queues did: STL_WLM_QUERY, STL_WLM_RULE_ACTION, STL_WLM_ERROR.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a statement's time in a service class ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum FinalState {
    /// It ran there to its end.
    Completed,
    /// It was sent elsewhere.
    Evicted,
    /// It never ran there.
    Rejected,
}

impl FinalState {
    /// Gives the word of the system tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Evicted => "Evicted",
            Self::Rejected => "Rejected",
        }
    }
}

/// A statement in a service class: STL_WLM_QUERY. Its fields have short names where it is kept: one is kept per query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Attempt {
    /// The service class.
    #[serde(rename = "c")]
    pub service_class: i32,
    /// Its name.
    #[serde(rename = "n")]
    pub service_class_name: Arc<str>,
    /// Slots it took.
    #[serde(rename = "s")]
    pub slots: u32,
    /// When it came, in microseconds since 1970.
    #[serde(rename = "a")]
    pub class_start_us: i64,
    /// When it began to wait.
    #[serde(rename = "q")]
    pub queue_start_us: i64,
    /// When it began to run; when it ended, if it never did.
    #[serde(rename = "e")]
    pub exec_start_us: i64,
    /// When it ended.
    #[serde(rename = "z")]
    pub end_us: i64,
    /// How.
    #[serde(rename = "f")]
    pub state: FinalState,
    /// Its priority, in automatic queues.
    #[serde(rename = "p")]
    pub priority: Option<Arc<str>>,
}

impl Attempt {
    /// Gives what it waited, in microseconds.
    pub fn queue_us(&self) -> i64 {
        (self.exec_start_us - self.queue_start_us).max(0)
    }

    /// Gives what it ran, in microseconds.
    pub fn exec_us(&self) -> i64 {
        (self.end_us - self.exec_start_us).max(0)
    }
}

/// What a rule did: STL_WLM_RULE_ACTION.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RuleAction {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The service class whose rule it is.
    pub service_class: i32,
    /// Its name.
    pub service_class_name: Arc<str>,
    /// The rule's name.
    pub rule: Arc<str>,
    /// What was done: `log`, `hop(reassign)`, `hop(restart)`, `abort`, `change_query_priority`, `none`.
    pub action: String,
    /// The new priority, if that is what was done.
    pub value: Option<String>,
    /// Microseconds since 1970.
    pub recordtime_us: i64,
}

/// A statement that queues refused: STL_WLM_ERROR.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct WlmError {
    /// The user's oid.
    pub userid: u32,
    /// The process id of the session.
    pub pid: i32,
    /// What was wrong.
    pub error: String,
    /// Microseconds since 1970.
    pub recordtime_us: i64,
}
