//! `stv_db_isolation_level`: how transactions of each database are kept apart; for superusers.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StvDbIsolationLevel;

impl SystemTable for StvDbIsolationLevel {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_db_isolation_level"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("db_name", SqlType::Varchar(128)),
            ("isolation_level", SqlType::Varchar(20)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if ctx.user.superuser {
            for database in ctx.catalog.databases_by_name() {
                rows.push([
                    Cell::from(database.name.as_str()),
                    database.isolation.title().into(),
                ]);
            }
        }
        Ok(())
    }
}
