//! Byte layouts and their versions, one file per structure.
//!
//! All numbers are little-endian. A layout changes only together with its version, its golden-bytes
//! test and the crate's `README.md`.

pub mod block;
pub mod row_group;
pub mod statistics;

pub(crate) mod frame;
pub(crate) mod mask;
pub(crate) mod name;
pub(crate) mod rows;
