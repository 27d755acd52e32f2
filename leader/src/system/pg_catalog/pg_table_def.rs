//! `PG_TABLE_DEF`: the columns of the tables on the search path, with their physical design.

use super::pg_attribute::{encoding_word, sort_order};
use crate::catalog::TableDistribution;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgTableDef;

impl SystemTable for PgTableDef {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_table_def"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("schemaname", SqlType::Name),
            ("tablename", SqlType::Name),
            ("column", SqlType::Name),
            ("type", SqlType::Varchar(128)),
            ("encoding", SqlType::Varchar(32)),
            ("distkey", SqlType::Boolean),
            ("sortkey", SqlType::Integer),
            ("notnull", SqlType::Boolean),
        ]
    }

    /// Only tables on the search path, as Redshift does.
    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for table in ctx.catalog.tables.values() {
            let Some(schema) = ctx.catalog.schemas.get(&table.schema) else {
                continue;
            };
            if !ctx.search_path.contains(&schema.oid) {
                continue;
            }
            for (index, column) in table.columns.iter().enumerate() {
                let encoding = encoding_word(column.encoding.as_deref());
                rows.push([
                    Cell::from(schema.name.as_str()),
                    table.name.as_str().into(),
                    column.name.as_str().into(),
                    column.ty.to_string().into(),
                    encoding.into(),
                    (table.distribution == TableDistribution::Key(index)).into(),
                    sort_order(&table.sort, index).into(),
                    column.not_null.into(),
                ]);
            }
        }
        Ok(())
    }
}
