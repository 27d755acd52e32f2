//! `pg_collation`: collations: text is compared by its bytes.

use crate::catalog::{ADMIN_OID, PG_CATALOG_OID};
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgCollation;

impl SystemTable for PgCollation {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_collation"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("collname", SqlType::Name),
            ("collnamespace", SqlType::Oid),
            ("collowner", SqlType::Integer),
            ("collencoding", SqlType::Integer),
            ("collcollate", SqlType::Name),
            ("collctype", SqlType::Name),
        ]
    }

    fn rows(&self, _ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (oid, name) in [(100_u32, "default"), (950, "C")] {
            rows.push([
                Cell::from(oid),
                name.into(),
                PG_CATALOG_OID.into(),
                ADMIN_OID.into(),
                (-1).into(),
                "C".into(),
                "C".into(),
            ]);
        }
        Ok(())
    }
}
