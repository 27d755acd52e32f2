//! `svv_function_privileges`: what was granted on functions and procedures.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;
use blueshift_sql::statement::routine::RoutineType;

/// The table.
pub struct SvvFunctionPrivileges;

impl SystemTable for SvvFunctionPrivileges {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_function_privileges"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("namespace_name", SqlType::Varchar(128)),
            ("function_name", SqlType::Varchar(128)),
            ("argument_types", SqlType::Varchar(512)),
            ("privilege_type", SqlType::Varchar(128)),
            ("identity_id", SqlType::Integer),
            ("identity_name", SqlType::Varchar(128)),
            ("identity_type", SqlType::Varchar(128)),
            ("admin_option", SqlType::Boolean),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (oid, list) in ctx.access_lists() {
            let Some(routine) = ctx.catalog.routines.get(&oid) else {
                continue;
            };
            let schema = ctx.catalog.schemas.get(&routine.schema);
            let schema = schema.map_or("", |schema| schema.name.as_str());
            let types: Vec<_> = routine.inputs().map(RoutineType::signature).collect();
            for item in ctx.granted(list, routine.owner) {
                for privilege in item.privileges.iter() {
                    let object: [Cell; 4] = [
                        schema.into(),
                        routine.name.as_str().into(),
                        types.join(", ").into(),
                        privilege.name().into(),
                    ];
                    let option = Cell::from(item.grantable.has(privilege));
                    rows.push(
                        object
                            .into_iter()
                            .chain(ctx.identity(item.grantee))
                            .chain([option]),
                    );
                }
            }
        }
        Ok(())
    }
}
