//! `svv_role_grants`: which role has which other.

use crate::catalog::access::Grantee;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvRoleGrants;

impl SystemTable for SvvRoleGrants {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_role_grants"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("role_id", SqlType::Integer),
            ("role_name", SqlType::Varchar(128)),
            ("granted_role_id", SqlType::Integer),
            ("granted_role_name", SqlType::Varchar(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for granted in ctx.catalog.roles.values() {
            for member in &granted.members {
                let Grantee::Role(oid) = member.who else {
                    continue;
                };
                if ctx.sees_grantee(member.who) {
                    rows.push([
                        Cell::from(oid),
                        ctx.catalog.grantee_name(member.who).0.into(),
                        granted.oid.into(),
                        granted.name.as_str().into(),
                    ]);
                }
            }
        }
        Ok(())
    }
}
