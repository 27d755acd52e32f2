//! A table on its slices: write, scan, predicate, delete, merge.

mod buffered;
pub mod delete;
pub mod delta;
pub mod merge;
mod order;
pub mod predicate;
pub mod scan;
pub mod write;
