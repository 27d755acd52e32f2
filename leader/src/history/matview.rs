//! Refreshes of materialized views, and what changes how they are refreshed: SVL_MV_REFRESH_STATUS, STL_MV_STATE.

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

/// A change of a table by which a materialized view over it can be refreshed in another way, or not at all.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StateChange {
    /// Who changed the table.
    pub userid: u32,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// The transaction id.
    pub xid: i64,
    /// What was done to the table.
    pub event: String,
    /// The database.
    pub database: String,
    /// The table's schema.
    pub base_schema: String,
    /// The table.
    pub base_table: String,
    /// The view's schema.
    pub schema: String,
    /// The view.
    pub name: String,
    /// `Recompute` or `Unrefreshable`.
    pub state: String,
}

impl History {
    /// Records a change of a table under a materialized view.
    pub fn note_state_change(&self, change: StateChange) {
        push(&self.state_changes, change);
    }

    /// Records a refresh.
    pub fn note_refresh(&self, event: RefreshEvent) {
        push(&self.refreshes, event);
    }
}
