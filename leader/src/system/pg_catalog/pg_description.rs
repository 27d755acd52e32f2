//! `pg_description`: comments.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgDescription;

impl SystemTable for PgDescription {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_description"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("objoid", SqlType::Oid),
            ("classoid", SqlType::Oid),
            ("objsubid", SqlType::Integer),
            ("description", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for ((object, column), text) in &ctx.catalog.comments {
            let of_relation = ctx.catalog.relation(*object).is_some();
            let class = if of_relation {
                "pg_class"
            } else {
                "pg_namespace"
            };
            let class = crate::system::find("pg_catalog", class).map_or(0, crate::system::oid);
            rows.push([
                Cell::from(*object),
                class.into(),
                (*column).into(),
                text.as_str().into(),
            ]);
        }
        Ok(())
    }
}
