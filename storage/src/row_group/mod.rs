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
}

mod builder;
pub mod files;

pub use crate::layout::row_group::RowGroupIdentity;
