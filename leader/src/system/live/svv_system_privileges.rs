//! `svv_system_privileges`: the system permissions of roles, and those about policies of users.

use crate::catalog::access::Grantee;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvSystemPrivileges;

impl SystemTable for SvvSystemPrivileges {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_system_privileges"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("system_privilege", SqlType::Varchar(128)),
            ("identity_id", SqlType::Integer),
            ("identity_name", SqlType::Varchar(128)),
            ("identity_type", SqlType::Varchar(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for user in ctx.catalog.users.values() {
            let who = Grantee::User(user.oid);
            for privilege in user.system.iter().filter(|_| ctx.sees_grantee(who)) {
                let first = Cell::from(privilege.as_str());
                rows.push([first].into_iter().chain(ctx.identity(who)));
            }
        }
        for role in ctx.catalog.roles.values() {
            if !ctx.sees_grantee(Grantee::Role(role.oid)) {
                continue;
            }
            for privilege in &role.system {
                let first = Cell::from(privilege.as_str());
                let identity = ctx.identity(Grantee::Role(role.oid));
                rows.push([first].into_iter().chain(identity));
            }
        }
        Ok(())
    }
}
