//! `svv_roles`: the roles a user may look at.

use crate::catalog::access::Grantee;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvRoles;

impl SystemTable for SvvRoles {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_roles"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("role_id", SqlType::Integer),
            ("role_name", SqlType::Varchar(128)),
            ("role_owner", SqlType::Varchar(128)),
            ("external_id", SqlType::Varchar(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for role in ctx.catalog.roles.values() {
            if ctx.sees_grantee(Grantee::Role(role.oid)) {
                rows.push([
                    Cell::from(role.oid),
                    role.name.as_str().into(),
                    ctx.catalog.grantee_name(Grantee::User(role.owner)).0.into(),
                    role.external_id.clone().into(),
                ]);
            }
        }
        Ok(())
    }
}
