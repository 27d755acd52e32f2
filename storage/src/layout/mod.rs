//! Byte layouts and their versions, one file per structure. All numbers are little-endian.

pub mod block;
pub mod row_group;
