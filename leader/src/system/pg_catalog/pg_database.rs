//! `pg_database`: databases.

use crate::catalog::{DATABASE_OID, IsolationLevel};
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
        for database in ctx.catalog.databases_by_name() {
            let limit = database.connection_limit.map(i64::from);
            rows.push([
                Cell::from(database.oid),
                database.name.as_str().into(),
                database.owner.into(),
                UTF8.into(),
                false.into(),
                true.into(),
                DATABASE_OID.into(),
                TABLESPACE.into(),
                "C".into(),
                "C".into(),
                limit.unwrap_or(-1).into(),
                match database.isolation {
                    IsolationLevel::Snapshot => "{concurrency_model=1}",
                    IsolationLevel::Serializable => "{concurrency_model=2}",
                }
                .into(),
                ctx.catalog
                    .access
                    .get(&database.oid)
                    .and_then(|list| ctx.catalog.access_text(list, None))
                    .into(),
            ]);
        }
        Ok(())
    }
}
