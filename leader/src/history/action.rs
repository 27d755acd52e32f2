//! What was done to sessions by others, and to tables by nobody: SVL_TERMINATE, SVL_AUTO_WORKER_ACTION.

use super::{History, now_us, push};
use serde::{Deserialize, Serialize};

/// A CANCEL, or a session that another ended: SVL_TERMINATE.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Stop {
    /// The process id of the session that was stopped.
    pub pid: i64,
    /// Who did it.
    pub userid: u32,
    /// Whether the session was ended too.
    pub is_end: bool,
    /// Microseconds since 1970.
    pub eventtime_us: i64,
}

/// A change that the server made to a table by itself: SVL_AUTO_WORKER_ACTION.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TableChange {
    /// The table's oid.
    pub table: u32,
    /// What was changed: `sortkey`.
    pub kind: String,
    /// What it was before.
    pub before: String,
    /// Microseconds since 1970.
    pub eventtime_us: i64,
}

impl History {
    /// Records a CANCEL, or the end of a session.
    pub fn stopped(&self, pid: i64, userid: u32, is_end: bool) {
        let stop = Stop {
            pid,
            userid,
            is_end,
            eventtime_us: now_us(),
        };
        push(&self.stops, stop);
    }

    /// Records a change of a table that nobody asked for.
    pub fn changed_table(&self, table: u32, kind: &str, before: String) {
        let change = TableChange {
            table,
            kind: kind.to_owned(),
            before,
            eventtime_us: now_us(),
        };
        push(&self.table_changes, change);
    }
}
