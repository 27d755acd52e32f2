//! `svv_rls_relation`: the relations with row-level security, for security administrators.

use crate::error::Result;
use crate::system::grants::conjunction_word;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvRlsRelation;

impl SystemTable for SvvRlsRelation {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_rls_relation"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("datname", SqlType::Name),
            ("relschema", SqlType::Name),
            ("relname", SqlType::Name),
            ("relkind", SqlType::Varchar(128)),
            ("is_rls_on", SqlType::Boolean),
            ("is_rls_datashare_on", SqlType::Boolean),
            ("rls_conjunction_type", SqlType::Char(3)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (relation, protection) in ctx.protections() {
            let of_datashares = protection.is_on_for_datashares();
            if !protection.is_on && !of_datashares {
                continue;
            }
            rows.push([
                Cell::from(ctx.catalog.database_name()),
                ctx.schema_name(relation.schema()).into(),
                relation.name().into(),
                relation.kind().into(),
                protection.is_on.into(),
                of_datashares.into(),
                conjunction_word(protection).into(),
            ]);
        }
        Ok(())
    }
}
