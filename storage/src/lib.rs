//! Bytes that survive: encodings, blocks, row groups, tables on slices, and the commit log that
//! alone decides what is visible. Knows arrays, not SQL.

#[cfg(test)]
mod survival;
pub mod snapshot;
pub mod check;
pub mod table;
pub mod store;
pub mod row_group;
pub mod block;
pub mod encoding;
pub mod statistics;
pub mod log;
pub mod cache;
pub mod layout;
pub mod io;
pub mod schema;
pub mod env;
pub mod error;

pub use error::{Error, Result};
pub use layout::statistics::{AnalyzedColumn, AnalyzedTable, TableStatistics};
pub use schema::{
    ColumnLayout, ColumnType, CommitVersion, EncodingName, RowGroupId, SliceId, SortKey, TableId,
    TableLayout,
};
