//! Builds and reads one row group: an immutable file with the rows of one slice from one write, or a
//! few rows of small inserts that are in the log and in memory until they get a file ([`resident`]).

use crate::error::Result;
use crate::schema::{RowGroupId, SliceId, TableId};
use resident::ResidentRows;
use serde::{Deserialize, Serialize};

/// Names a row group in the commit log. Everything else about it is in its own footer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowGroupRecord {
    /// The table.
    pub table: TableId,
    /// The slice that owns the rows.
    pub slice: SliceId,
    /// The file's id.
    pub id: RowGroupId,
    /// Rows written, deleted ones included.
    pub rows: u64,
    /// Size of the file; of rows without one, their size in the log.
    pub file_bytes: u64,
    /// Whether the rows belong to the sorted region.
    pub sorted: bool,
    /// The leading sort key of its first and last row; absent without a compound sort key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_range: Option<KeyRange>,
    /// Whether the rows are in the order they came in, not in that of the sort key; `key_range` then
    /// holds the least and the greatest leading key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mixed: bool,
    /// The rows, while there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident: Option<ResidentRows>,
    /// In a commit: the row group without a file whose rows these follow. The commit thread fills it
    /// in, so that a replay need not know how it chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<RowGroupId>,
}

impl RowGroupRecord {
    /// Tells whether there is room for more small inserts in a row group without a file.
    pub(crate) fn may_grow(&self) -> bool {
        self.resident.is_some()
            && self.rows < RESIDENT_ROWS_MAX
            && self.file_bytes < RESIDENT_BYTES_MAX
    }

    /// Gives this record, of rows without a file, with the rows of `next` after its own; `None` if
    /// their columns differ. `sorted` tells whether they follow in the order of the sort key.
    pub(crate) fn followed_by(&self, next: &RowGroupRecord, sorted: bool) -> Result<Option<Self>> {
        let (Some(own), Some(rows)) = (&self.resident, &next.resident) else {
            return Ok(None);
        };
        if !own.is_like(rows) {
            return Ok(None);
        }
        let key_range = match (self.key_range, next.key_range) {
            (Some(own), Some(next)) => Some(KeyRange {
                first: own.first.min(next.first),
                last: own.last.max(next.last),
            }),
            _ => None,
        };
        Ok(Some(Self {
            rows: self.rows + next.rows,
            file_bytes: self.file_bytes + next.file_bytes,
            sorted,
            key_range,
            mixed: !sorted,
            resident: Some(own.followed_by(rows)?),
            ..self.clone()
        }))
    }
}

/// Rows at which a row group without a file gets one.
pub(crate) const RESIDENT_ROWS_MAX: u64 = 64 << 10;

/// Bytes at which a row group without a file gets one.
pub(crate) const RESIDENT_BYTES_MAX: u64 = 8 << 20;

/// Keys (see [`crate::statistics::key`]) of the leading sort column at both ends of a row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Of the first row.
    pub first: i128,
    /// Of the last row.
    pub last: i128,
}

impl KeyRange {
    /// The key of a null: nulls come last.
    pub const NULL: i128 = i128::MAX;
}

mod builder;
pub mod files;
pub mod resident;

pub use crate::layout::row_group::RowGroupIdentity;
