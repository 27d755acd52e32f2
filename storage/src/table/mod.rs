//! A table on its slices: write, scan, predicate, delete.

mod buffered;
pub mod delete;
mod order;
pub mod predicate;
pub mod scan;
pub mod write;
