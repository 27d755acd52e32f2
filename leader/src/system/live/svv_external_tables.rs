//! `svv_external_tables`: external tables of schemas that the user may use.

use crate::access::check;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{Elsewhere, SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvExternalTables;

impl SystemTable for SvvExternalTables {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_external_tables"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("redshift_database_name", SqlType::Varchar(65_535)),
            ("schemaname", SqlType::Varchar(65_535)),
            ("tablename", SqlType::Varchar(65_535)),
            ("tabletype", SqlType::Varchar(65_535)),
            ("location", SqlType::Varchar(65_535)),
            ("input_format", SqlType::Varchar(65_535)),
            ("output_format", SqlType::Varchar(65_535)),
            ("serialization_lib", SqlType::Varchar(65_535)),
            ("serde_parameters", SqlType::Varchar(65_535)),
            ("compressed", SqlType::Integer),
            ("parameters", SqlType::Varchar(65_535)),
        ]
    }

    fn asks_elsewhere(&self) -> Option<Elsewhere> {
        Some(Elsewhere::Tables)
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (schema, _) in ctx.catalog.external_schemas_by_name() {
            if !check::may_use_schema(&ctx.catalog, &ctx.user, schema) {
                continue;
            }
            for shown in ctx.external_tables(schema) {
                let table = &shown.table;
                rows.push([
                    Cell::from(ctx.catalog.database_name()),
                    schema.name.as_str().into(),
                    table.name.as_str().into(),
                    "EXTERNAL_TABLE".into(),
                    table.location.as_str().into(),
                    table.format.input_format().into(),
                    table.format.output_format().into(),
                    table.format.serialization_lib().into(),
                    table.format.serde_parameters().into(),
                    0.into(),
                    table.parameters().into(),
                ]);
            }
        }
        Ok(())
    }
}
