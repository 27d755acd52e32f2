//! `svv_external_schemas`: external schemas.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvExternalSchemas;

impl SystemTable for SvvExternalSchemas {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_external_schemas"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("esoid", SqlType::Oid),
            ("eskind", SqlType::SmallInt),
            ("schemaname", SqlType::Name),
            ("esowner", SqlType::Integer),
            ("databasename", SqlType::Varchar(65_535)),
            ("esoptions", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (schema, external) in ctx.catalog.external_schemas_by_name() {
            rows.push([
                Cell::from(schema.oid),
                external.source.kind().into(),
                schema.name.as_str().into(),
                schema.owner.into(),
                external.database.as_str().into(),
                external.options().into(),
            ]);
        }
        Ok(())
    }
}
