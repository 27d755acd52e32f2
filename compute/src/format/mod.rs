//! File formats: one folder per format. Knows arrow and SQL types, not tables.

pub mod compression;
pub mod cut;
pub mod delimited;
