//! Cursors that are open: STV_ACTIVE_CURSORS.

use super::{History, lock};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

/// An open cursor.
#[derive(Debug, Default)]
pub struct CursorFacts {
    /// The user's oid.
    pub userid: u32,
    /// Its name.
    pub name: String,
    /// The transaction id.
    pub xid: i64,
    /// The process id of the session.
    pub pid: i32,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Rows fetched so far.
    pub fetched: AtomicU64,
}

impl History {
    /// Shows a cursor until it is dropped.
    pub fn show_cursor(&self, cursor: &Arc<CursorFacts>) {
        let mut sessions = lock(&self.sessions);
        let own = sessions.iter_mut();
        if let Some(session) = own.into_iter().find(|session| session.pid == cursor.pid) {
            session.cursor = Arc::downgrade(cursor);
        }
    }

    /// Lists the open cursors.
    pub fn cursors(&self) -> Vec<Arc<CursorFacts>> {
        let sessions = lock(&self.sessions);
        let cursors = sessions.iter().map(|session| &session.cursor);
        cursors.filter_map(Weak::upgrade).collect()
    }
}
