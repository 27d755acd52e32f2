//! `pg_user`: users.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgUser;

impl SystemTable for PgUser {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_user"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("usename", SqlType::Name),
            ("usesysid", SqlType::Integer),
            ("usecreatedb", SqlType::Boolean),
            ("usesuper", SqlType::Boolean),
            ("usecatupd", SqlType::Boolean),
            ("passwd", SqlType::Varchar(8)),
            ("valuntil", SqlType::Timestamp),
            ("useconfig", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for user in ctx.catalog.users.values() {
            rows.push([
                Cell::from(user.name.as_str()),
                user.oid.into(),
                user.create_database.into(),
                user.superuser.into(),
                false.into(),
                "********".into(),
                user.valid_until_us.into(),
                match user.parameters.is_empty() {
                    true => Cell::Null,
                    false => Cell::Text(format!(
                        "{{{}}}",
                        user.parameters
                            .iter()
                            .map(|(name, value)| format!("{name}={value}"))
                            .collect::<Vec<_>>()
                            .join(",")
                    )),
                },
            ]);
        }
        Ok(())
    }
}
