//! A node: turns physical plans into batches over its slices, loads files, writes rows.

#[cfg(test)]
mod fixture;
pub mod external;
pub mod unload;
pub mod load;
pub mod maintain;
pub mod write;
pub mod profile;
pub mod scan;
pub mod operator;
pub mod format;
pub mod node;
pub mod object;
pub mod reach;
pub mod distribution;
pub mod resource;
pub mod report;
pub mod figures;
pub mod error;

pub use error::{Error, Result};
