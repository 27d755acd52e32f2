//! `svv_column_privileges`: what was granted on columns of tables and views.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvColumnPrivileges;

impl SystemTable for SvvColumnPrivileges {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_column_privileges"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("namespace_name", SqlType::Varchar(128)),
            ("relation_name", SqlType::Varchar(128)),
            ("column_name", SqlType::Varchar(128)),
            ("privilege_type", SqlType::Varchar(128)),
            ("identity_id", SqlType::Integer),
            ("identity_name", SqlType::Varchar(128)),
            ("identity_type", SqlType::Varchar(128)),
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
                let mut columns = relation.columns().iter();
                let Some(column) = columns.find(|column| Some(column.id) == item.column) else {
                    continue;
                };
                for privilege in item.privileges.iter() {
                    let object: [Cell; 4] = [
                        schema.into(),
                        relation.name().into(),
                        column.name.as_str().into(),
                        privilege.name().into(),
                    ];
                    rows.push(object.into_iter().chain(ctx.identity(item.grantee)));
                }
            }
        }
        Ok(())
    }
}
