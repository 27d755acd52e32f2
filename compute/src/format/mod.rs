//! File formats: one folder per format. Knows arrow and SQL types, not tables.

pub mod compression;
pub mod cut;
pub mod encoding;
pub mod layout;
pub mod parquet;
pub mod json;
pub mod fixed_width;
pub mod delimited;
