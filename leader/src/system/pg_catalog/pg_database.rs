//! `pg_database`: databases: the one.

use crate::catalog::{ADMIN_OID, DATABASE_OID, IsolationLevel};
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// PostgreSQL's number of the encoding.
const UTF8: i32 = 6;
/// The oid of the one row of `pg_tablespace`.
const TABLESPACE: u32 = 1663;

/// The table.
pub struct PgDatabase;

impl SystemTable for PgDatabase {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_database"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("datname", SqlType::Name),
            ("datdba", SqlType::Integer),
            ("encoding", SqlType::Integer),
            ("datistemplate", SqlType::Boolean),
            ("datallowconn", SqlType::Boolean),
            ("datlastsysoid", SqlType::Oid),
            ("dattablespace", SqlType::Oid),
            ("datcollate", SqlType::Name),
            ("datctype", SqlType::Name),
            ("datconnlimit", SqlType::Integer),
            ("datconfig", SqlType::Varchar(65_535)),
            ("datacl", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        rows.push([
            Cell::from(DATABASE_OID),
            ctx.server.database.as_str().into(),
            ADMIN_OID.into(),
            UTF8.into(),
            false.into(),
            true.into(),
            DATABASE_OID.into(),
            TABLESPACE.into(),
            "C".into(),
            "C".into(),
            (-1).into(),
            match ctx.catalog.isolation() {
                IsolationLevel::Snapshot => "{concurrency_model=1}",
                IsolationLevel::Serializable => "{concurrency_model=2}",
            }
            .into(),
            ctx.catalog
                .access
                .get(&DATABASE_OID)
                .and_then(|list| ctx.catalog.access_text(list, None))
                .into(),
        ]);
        Ok(())
    }
}
