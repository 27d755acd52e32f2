//! `pg_attrdef`: defaults of columns.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgAttrdef;

impl SystemTable for PgAttrdef {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_attrdef"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("adrelid", SqlType::Oid),
            ("adnum", SqlType::SmallInt),
            ("adbin", SqlType::Varchar(65_535)),
            ("adsrc", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for table in ctx.catalog.tables.values() {
            for (index, column) in table.columns.iter().enumerate() {
                if let Some(text) = &column.default {
                    let text = text.as_str();
                    let place = Cell::from(index + 1);
                    rows.push([
                        table.oid.into(),
                        table.oid.into(),
                        place,
                        text.into(),
                        text.into(),
                    ]);
                }
            }
        }
        Ok(())
    }
}
