//! Catalogs elsewhere that know tables over files: a Hive metastore, and AWS Glue or what speaks as it does.
//!
//! Both describe a table in the same way, by where its files lie and by the class that reads them.

mod glue;
mod hive;
mod calls;

pub use glue::Glue;
pub use hive::Hive;

use crate::error::Error;
use blueshift_sql::SqlState;

/// Partitions of one table.
pub const PARTITIONS_MAX: usize = 100_000;
/// Tables of one database.
pub const TABLES_MAX: usize = 10_000;

/// A table as a catalog describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaTable {
    /// Its name.
    pub name: String,
    /// Columns in the files, with types as Hive writes them.
    pub columns: Vec<(String, String)>,
    /// Columns that follow from the partition.
    pub partition_keys: Vec<(String, String)>,
    /// Where its files are.
    pub location: String,
    /// The class that reads its files.
    pub input_format: String,
    /// The class that takes rows apart.
    pub serialization_lib: String,
    /// Its parameters.
    pub serde_parameters: Vec<(String, String)>,
    /// Parameters of the table.
    pub parameters: Vec<(String, String)>,
    /// `EXTERNAL_TABLE`, `MANAGED_TABLE`, `VIRTUAL_VIEW`.
    pub table_type: String,
    /// Seconds since 1970 when it was made.
    pub created_s: i64,
}

/// A partition as a catalog describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaPartition {
    /// Its values, in the order of the keys.
    pub values: Vec<String>,
    /// Where its files are.
    pub location: String,
}

/// Tells that a catalog could not be asked.
fn unreachable(place: &str, reason: &str) -> Error {
    let reason: String = reason
        .chars()
        .filter(|each| !each.is_control())
        .take(500)
        .collect();
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::CONNECTION_FAILURE,
            format!("could not ask {place}: {reason}"),
        )
        .with_hint("Check that it runs, and what the external schema says of it."),
    )
}

/// Tells that a catalog knows more than is read of it.
fn too_many(place: &str, what: &str, count: usize) -> Error {
    Error::Sql(blueshift_sql::Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("{place} has more than {count} {what}"),
    ))
}
