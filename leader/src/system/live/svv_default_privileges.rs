//! `svv_default_privileges`: what new objects are born with.

use crate::catalog::access::Grantee;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvDefaultPrivileges;

impl SystemTable for SvvDefaultPrivileges {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_default_privileges"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("schema_name", SqlType::Varchar(128)),
            ("object_type", SqlType::Varchar(128)),
            ("owner_id", SqlType::Integer),
            ("owner_name", SqlType::Varchar(128)),
            ("owner_type", SqlType::Varchar(128)),
            ("privilege_type", SqlType::Varchar(128)),
            ("grantee_id", SqlType::Integer),
            ("grantee_name", SqlType::Varchar(128)),
            ("grantee_type", SqlType::Varchar(128)),
            ("admin_option", SqlType::Boolean),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let defaults = ctx.catalog.defaults.values();
        let mut defaults: Vec<_> = defaults.filter(|one| !one.is_scope()).collect();
        defaults.sort_by_key(|defaults| (defaults.owner, defaults.schema));
        for defaults in defaults {
            let schema = defaults
                .schema
                .and_then(|oid| ctx.catalog.schemas.get(&oid));
            let schema = schema.map(|schema| schema.name.as_str());
            let kind = defaults.kind.word().to_uppercase();
            for item in ctx.granted(&defaults.list, defaults.owner) {
                for privilege in item.privileges.iter() {
                    let object: [Cell; 2] = [schema.into(), kind.as_str().into()];
                    let owner = ctx.identity(Grantee::User(defaults.owner));
                    let grantee = ctx.identity(item.grantee);
                    let option = Cell::from(item.grantable.has(privilege));
                    let cells = object.into_iter().chain(owner);
                    let cells = cells.chain([privilege.name().into()]);
                    rows.push(cells.chain(grantee).chain([option]));
                }
            }
        }
        Ok(())
    }
}
