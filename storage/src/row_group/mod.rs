//! Builds and reads one row group: an immutable file with the rows of one slice from one write.

use crate::schema::{RowGroupId, SliceId, TableId};
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
    /// Size of the file.
    pub file_bytes: u64,
    /// Whether the rows belong to the sorted region.
    pub sorted: bool,
    /// The leading sort key of its first and last row; absent without a compound sort key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_range: Option<KeyRange>,
}

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

pub use crate::layout::row_group::RowGroupIdentity;
