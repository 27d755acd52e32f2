//! How transactions that changed something ended: STL_COMMIT_STATS, STL_UNDONE, SYS_TRANSACTION_HISTORY; and what they
//! did to users: STL_USERLOG.

use super::{History, lock, push};
use serde::{Deserialize, Serialize};

/// A transaction that changed something and ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EndedTransaction {
    /// The user's oid.
    pub userid: u32,
    /// Its id.
    pub xid: i64,
    /// The process id of its session.
    pub pid: i32,
    /// Whether it had to have a place in a serial order.
    pub is_serializable: bool,
    /// Tables whose rows it changed.
    pub tables: Vec<u32>,
    /// When it began, in microseconds since 1970.
    pub starttime_us: i64,
    /// How it ended.
    pub end: TransactionEnd,
}

/// How a transaction ended. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum TransactionEnd {
    /// It is durable.
    Committed(CommitFigures),
    /// What it wrote was removed.
    Undone {
        /// When that began.
        begun_us: i64,
        /// When it was done.
        ended_us: i64,
    },
}

/// What a commit took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct CommitFigures {
    /// When it was asked for.
    pub asked_us: i64,
    /// When work on it began.
    pub begun_us: i64,
    /// When its record was durable.
    pub durable_us: i64,
    /// When what follows a commit was done.
    pub ended_us: i64,
    /// Commits that were asked for before and not durable.
    pub others: u32,
    /// Bytes of rows it added, as they are stored.
    pub bytes_added: u64,
    /// Row groups and delete masks that it named.
    pub files: u64,
    /// Transactions that were open.
    pub open: u32,
    /// The oldest of them.
    pub oldest: i64,
}

/// A change of a user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UserChange {
    /// The oid of the user that was changed.
    pub userid: u32,
    /// The name, afterwards if there is an afterwards.
    pub name: String,
    /// The name before a rename.
    pub old_name: Option<String>,
    /// `create`, `alter`, `rename` or `drop`.
    pub action: String,
    /// CREATEDB.
    pub create_database: bool,
    /// CREATEUSER.
    pub superuser: bool,
    /// VALID UNTIL, in microseconds since 1970.
    pub valid_until_us: Option<i64>,
    /// The process id of the session.
    pub pid: i32,
    /// The transaction id.
    pub xid: i64,
    /// Microseconds since 1970.
    pub recordtime_us: i64,
}

impl History {
    /// Records the end of a transaction.
    pub fn ended_transaction(&self, mut ended: EndedTransaction) {
        let sessions = lock(&self.sessions);
        let mut sessions = sessions.iter();
        if let Some(session) = sessions.find(|session| session.pid == ended.pid) {
            ended.userid = session.userid;
        }
        push(&self.transactions, ended);
    }
}
