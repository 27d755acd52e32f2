//! Refreshes of materialized views: SVL_MV_REFRESH_STATUS.

use super::{History, push};
use serde::{Deserialize, Serialize};

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum RefreshStatus {
    /// Nothing had changed.
    Current,
    /// By what had changed.
    Incremental,
    /// As a whole.
    Recomputed,
    /// Not at all.
    Failed,
}

impl RefreshStatus {
    /// Gives the text of the system tables.
    pub fn text(self) -> &'static str {
        match self {
            Self::Current => "MV was already updated",
            Self::Incremental => "Refresh successfully updated MV incrementally",
            Self::Recomputed => "Refresh successfully recomputed MV from scratch",
            Self::Failed => "Refresh failed",
        }
    }
}

/// A refresh of a materialized view.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RefreshEvent {
    /// The user's oid.
    pub userid: u32,
    /// The oid of the view's owner.
    pub owner: u32,
    /// The view's database.
    pub database: String,
    /// The view's schema.
    pub schema: String,
    /// The view.
    pub name: String,
    /// The transaction id.
    pub xid: i64,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Microseconds since 1970.
    pub endtime_us: i64,
    /// How it ended.
    pub status: RefreshStatus,
    /// By AUTO REFRESH.
    pub is_automatic: bool,
}

impl History {
    /// Records a refresh.
    pub fn note_refresh(&self, event: RefreshEvent) {
        push(&self.refreshes, event);
    }
}
