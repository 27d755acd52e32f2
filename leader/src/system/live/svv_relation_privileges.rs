//! `svv_relation_privileges`: what was granted on whole tables and views.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvRelationPrivileges;

impl SystemTable for SvvRelationPrivileges {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_relation_privileges"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("namespace_name", SqlType::Varchar(128)),
            ("relation_name", SqlType::Varchar(128)),
            ("privilege_type", SqlType::Varchar(128)),
            ("identity_id", SqlType::Integer),
            ("identity_name", SqlType::Varchar(128)),
            ("identity_type", SqlType::Varchar(128)),
            ("admin_option", SqlType::Boolean),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (oid, list) in ctx.access_lists() {
            let Some(relation) = ctx.catalog.relation(oid) else {
                continue;
            };
            let schema = ctx.catalog.schemas.get(&relation.schema());
            let schema = schema.map_or("", |schema| schema.name.as_str());
            for item in ctx.granted(list, relation.owner()) {
                for privilege in item.privileges.iter().filter(|_| item.column.is_none()) {
                    let object: [Cell; 3] = [
                        schema.into(),
                        relation.name().into(),
                        privilege.name().into(),
                    ];
                    let option = Cell::from(item.grantable.has(privilege));
                    let identity = ctx.identity(item.grantee);
                    rows.push(object.into_iter().chain(identity).chain([option]));
                }
            }
        }
        Ok(())
    }
}
