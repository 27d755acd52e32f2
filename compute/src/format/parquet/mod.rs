//! Parquet: columns by their position, each with the type of its column in the table or refused.
//!
//! Only what the file says of its types counts; hints that arrow leaves in a file do not.

pub mod convert;
pub(crate) mod nested;
pub mod schema;
