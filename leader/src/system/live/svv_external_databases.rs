//! `svv_external_databases`: external databases that the user's schemas show.

use crate::access::check;
use crate::catalog::external::ExternalSource;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvExternalDatabases;

impl SystemTable for SvvExternalDatabases {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_external_databases"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("eskind", SqlType::Integer),
            ("esoptions", SqlType::Varchar(65_535)),
            ("databasename", SqlType::Varchar(65_535)),
            ("location", SqlType::Varchar(65_535)),
            ("parameters", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let mut databases: Vec<_> = ctx.catalog.external_databases.values().collect();
        databases.sort_by(|one, other| one.name.cmp(&other.name));
        let schemas = ctx.catalog.external_schemas_by_name();
        for database in databases {
            let mut shown = schemas.iter().filter(|(schema, external)| {
                external.database == database.name
                    && external.source.is_own()
                    && check::may_use_schema(&ctx.catalog, &ctx.user, schema)
            });
            let shown = shown.next();
            if shown.is_none() && !ctx.user.superuser {
                continue;
            }
            rows.push([
                Cell::from(ExternalSource::Own.kind()),
                shown.map(|(_, external)| external.options()).into(),
                database.name.as_str().into(),
                Cell::Null,
                Cell::Null,
            ]);
        }
        for (schema, external) in schemas {
            let is_shown = check::may_use_schema(&ctx.catalog, &ctx.user, schema);
            if !external.source.is_own() && is_shown {
                rows.push([
                    Cell::from(external.source.kind()),
                    external.options().into(),
                    external.database.as_str().into(),
                    Cell::Null,
                    Cell::Null,
                ]);
            }
        }
        Ok(())
    }
}
