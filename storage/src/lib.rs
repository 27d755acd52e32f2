//! Bytes that survive: encodings, blocks, row groups, tables on slices, and the commit log that
//! alone decides what is visible. Knows arrays, not SQL.

pub mod block;
pub mod cache;
pub mod encoding;
pub mod env;
pub mod error;
pub mod io;
pub mod layout;
pub mod log;
pub mod row_group;
pub mod schema;
pub mod statistics;
pub mod store;
pub mod table;

pub use error::{Error, Result};
pub use schema::{
    ColumnLayout, ColumnType, CommitVersion, EncodingName, RowGroupId, SliceId, SortKey, TableId,
    TableLayout,
};
