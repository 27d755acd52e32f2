//! `pg_auth_members`: who has which role, for PostgreSQL's tools.

use crate::catalog::access::Grantee;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgAuthMembers;

impl SystemTable for PgAuthMembers {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_auth_members"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("roleid", SqlType::Oid),
            ("member", SqlType::Oid),
            ("grantor", SqlType::Oid),
            ("admin_option", SqlType::Boolean),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for role in ctx.catalog.roles.values() {
            for member in &role.members {
                let (Grantee::User(oid) | Grantee::Role(oid)) = member.who else {
                    continue;
                };
                rows.push([
                    Cell::from(role.oid),
                    oid.into(),
                    role.owner.into(),
                    member.admin.into(),
                ]);
            }
        }
        Ok(())
    }
}
