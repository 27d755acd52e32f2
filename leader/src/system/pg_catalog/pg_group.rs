//! `pg_group`: groups and their users.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgGroup;

impl SystemTable for PgGroup {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_group"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("groname", SqlType::Name),
            ("grosysid", SqlType::Integer),
            ("grolist", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for group in ctx.catalog.groups.values() {
            let users: Vec<String> = group.users.iter().map(u32::to_string).collect();
            rows.push([
                Cell::from(group.name.as_str()),
                group.oid.into(),
                format!("{{{}}}", users.join(",")).into(),
            ]);
        }
        Ok(())
    }
}
