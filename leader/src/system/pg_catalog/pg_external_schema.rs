//! `pg_external_schema`: what makes schemas external.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgExternalSchema;

impl SystemTable for PgExternalSchema {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_external_schema"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("esoid", SqlType::Oid),
            ("eskind", SqlType::Integer),
            ("esdbname", SqlType::Varchar(65_535)),
            ("esoptions", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (schema, external) in ctx.catalog.external_schemas_by_name() {
            rows.push([
                Cell::from(schema.oid),
                external.source.kind().into(),
                external.database.as_str().into(),
                external.options().into(),
            ]);
        }
        Ok(())
    }
}
