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
            let catalog = &ctx.catalog;
            let constraint = catalog.commented_constraint(*object, *column);
            let class = if constraint.is_some() {
                "pg_constraint"
            } else if catalog.relation(*object).is_some() {
                "pg_class"
            } else if catalog.routines.contains_key(object) {
                "pg_proc"
            } else if catalog.databases.contains_key(object) {
                "pg_database"
            } else if catalog.schemas.contains_key(object) {
                "pg_namespace"
            } else {
                // Of an object of another database.
                continue;
            };
            let class = crate::system::find("pg_catalog", class).map_or(0, crate::system::oid);
            rows.push([
                Cell::from(constraint.unwrap_or(*object)),
                class.into(),
                constraint.map_or(*column, |_| 0).into(),
                text.as_str().into(),
            ]);
        }
        Ok(())
    }
}
