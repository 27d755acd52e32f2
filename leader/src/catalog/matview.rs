//! What is known of the rows a materialized view keeps: what they were made of, and how they are brought up to date.
//!
//! The view itself is a [`super::View`] of kind [`super::ViewKind::Materialized`]; this is the part that each refresh
//! writes anew, under a key of its own.

use super::Oid;
use blueshift_storage::TableId;
use blueshift_storage::store::ReadView;
use blueshift_storage::table::delta::Mark;
use serde::{Deserialize, Serialize};

/// A refresh computes it anew: `state` of STV_MV_INFO.
pub const STATE_RECOMPUTED: i32 = 0;
/// A refresh adds what came and takes away what went.
pub const STATE_INCREMENTAL: i32 = 1;
/// It cannot be refreshed: a column it needs was dropped.
pub const STATE_COLUMN_DROPPED: i32 = 101;

/// The rows of a materialized view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaterializedRows {
    /// The view.
    pub oid: Oid,
    /// AUTO REFRESH YES.
    pub auto_refresh: bool,
    /// `state` of STV_MV_INFO.
    pub state: i32,
    /// Whether queries may be answered from it.
    pub is_rewritable: bool,
    /// The transaction whose view of the tables the rows show.
    pub xid: i64,
    /// The table that keeps them.
    pub table: Oid,
    /// How many there are, hidden ones included. A restore leaves out the rows of BACKUP NO.
    pub count: u64,
    /// The tables they were made of.
    pub bases: Vec<Base>,
}

/// A table that a materialized view is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// Its oid.
    pub table: Oid,
    /// What it held; `None` if that is not known, and then nothing can be told of what changed.
    pub mark: Option<Mark>,
}

impl MaterializedRows {
    /// Tells whether the rows are those that the last refresh left.
    pub fn is_whole(&self, view: &ReadView) -> bool {
        let kept = view.tables.get(&TableId(u64::from(self.table)));
        kept.is_some_and(|kept| kept.row_count() == self.count)
    }

    /// Tells whether a table has changed since.
    pub fn is_stale(&self, view: &ReadView) -> bool {
        !self.is_whole(view)
            || !self.bases.iter().all(|base| {
                let now = view.tables.get(&TableId(u64::from(base.table)));
                let mark = base.mark.as_ref();
                mark.zip(now).is_some_and(|(mark, now)| mark.is_of(now))
            })
    }
}
