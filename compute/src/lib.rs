//! A node: turns physical plans into batches over its slices, loads files, writes rows.

pub mod distribution;
pub mod error;
pub mod format;
pub mod load;
pub mod node;
pub mod object;
pub mod report;
pub mod resource;
pub mod scan;
pub mod write;

pub use error::{Error, Result};
