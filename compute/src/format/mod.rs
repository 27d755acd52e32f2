//! File formats: one folder per format. Knows arrow and SQL types, not tables.

pub mod compression;
pub mod lzop;
pub mod encoding;
pub mod layout;
pub mod avro;
pub mod cut;
pub mod orc;
pub mod lzo;
pub mod parquet;
pub mod json;
pub mod fixed_width;
pub mod delimited;
