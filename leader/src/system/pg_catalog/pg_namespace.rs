//! `pg_namespace`: schemas.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgNamespace;

impl SystemTable for PgNamespace {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_namespace"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("nspname", SqlType::Name),
            ("nspowner", SqlType::Integer),
            ("nspacl", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for schema in ctx.catalog.schemas.values() {
            rows.push([
                Cell::from(schema.oid),
                schema.name.as_str().into(),
                schema.owner.into(),
                ctx.catalog
                    .access
                    .get(&schema.oid)
                    .and_then(|list| ctx.catalog.access_text(list, None))
                    .into(),
            ]);
        }
        Ok(())
    }
}
