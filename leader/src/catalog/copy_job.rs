//! Copy jobs: a COPY that is kept, and run for each new file under its prefix.
//!
//! A job means its table by oid, so renaming the table does not stop it; it goes with its table. Which files it has loaded
//! is in its ledger (`transaction/ledger.rs`), whose source is the job's oid.

use super::{Catalog, Oid};
use crate::error::{Error, Result};
use blueshift_sql::statement::Statement;
use blueshift_sql::statement::copy::{Authorization, Copy};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A copy job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyJob {
    /// Its oid.
    pub oid: Oid,
    /// Its name, one of its kind in its database.
    pub name: String,
    /// The database it is in.
    pub database: Oid,
    /// Who made it, with whose rights it runs.
    pub owner: Oid,
    /// The table it loads into.
    pub table: Oid,
    /// The text of its COPY, which holds no secret.
    pub text: String,
    /// Whether the server runs it by itself.
    pub auto: bool,
    /// Microseconds since 1970 when it was made.
    pub created_us: i64,
}

impl CopyJob {
    /// Reads its COPY again. The table is named as it was when the job was made.
    pub fn copy(&self) -> Result<Copy> {
        let mut parsed = blueshift_sql::statement::parse(&self.text)?;
        match parsed.pop().map(|parsed| parsed.statement) {
            Some(Statement::Copy(copy)) => Ok(*copy),
            _ => Err(Error::internal("a copy job keeps no COPY")),
        }
    }

    /// Gives the prefix it watches; nothing if its text is not understood.
    pub fn source(&self) -> String {
        self.copy()
            .map_or_else(|_| String::new(), |copy| copy.source)
    }

    /// Gives its IAM_ROLE; nothing if it has none.
    pub fn role(&self) -> String {
        match self.copy().map(|copy| copy.authorization) {
            Ok(Authorization::IamRole(role)) => role,
            _ => String::new(),
        }
    }

    /// Gives the table it loads into, as it is named now.
    pub fn target(&self, catalog: &Catalog) -> String {
        let table = catalog.tables.get(&self.table);
        table.map_or_else(String::new, |table| {
            catalog.qualified_name(table.schema, &table.name)
        })
    }

    /// Says what it is doing.
    pub fn status(&self, is_running: bool) -> &'static str {
        match (is_running, self.auto) {
            (true, _) => "running",
            (false, true) => "waiting",
            (false, false) => "off",
        }
    }
}

impl Catalog {
    /// Finds a copy job of the database it shows.
    pub fn copy_job_named(&self, name: &str) -> Option<&Arc<CopyJob>> {
        let mut all = self.copy_jobs.values();
        all.find(|job| job.database == self.database && job.name == name)
    }

    /// Gives the copy jobs that load into a table.
    pub fn copy_jobs_into(&self, table: Oid) -> impl Iterator<Item = &Arc<CopyJob>> {
        let all = self.copy_jobs.values();
        all.filter(move |job| job.table == table)
    }

    /// Gives the copy jobs of all databases in order of oid.
    pub fn all_copy_jobs(self: &Arc<Self>) -> Vec<Arc<CopyJob>> {
        let mut all: Vec<_> = self.whole().copy_jobs.values().cloned().collect();
        all.sort_by_key(|job| job.oid);
        all
    }
}
