//! `svv_user_grants`: which user has which role.

use crate::catalog::access::Grantee;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvUserGrants;

impl SystemTable for SvvUserGrants {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_user_grants"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", SqlType::Integer),
            ("user_name", SqlType::Varchar(128)),
            ("role_id", SqlType::Integer),
            ("role_name", SqlType::Varchar(128)),
            ("admin_option", SqlType::Boolean),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for role in ctx.catalog.roles.values() {
            for member in &role.members {
                let Grantee::User(oid) = member.who else {
                    continue;
                };
                if oid == ctx.user.oid || ctx.sees_all_grants() {
                    rows.push([
                        Cell::from(oid),
                        ctx.catalog.grantee_name(member.who).0.into(),
                        role.oid.into(),
                        role.name.as_str().into(),
                        member.admin.into(),
                    ]);
                }
            }
        }
        Ok(())
    }
}
