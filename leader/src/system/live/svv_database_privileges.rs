//! `svv_database_privileges`: what was granted on the database.

use crate::error::Result;
use crate::system::grants::scope_word;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvDatabasePrivileges;

impl SystemTable for SvvDatabasePrivileges {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_database_privileges"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("database_name", SqlType::Varchar(128)),
            ("privilege_type", SqlType::Varchar(128)),
            ("identity_id", SqlType::Integer),
            ("identity_name", SqlType::Varchar(128)),
            ("identity_type", SqlType::Varchar(128)),
            ("admin_option", SqlType::Boolean),
            ("privilege_scope", SqlType::Varchar(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for database in ctx.catalog.databases_by_name() {
            let Some(list) = ctx.catalog.access.get(&database.oid) else {
                continue;
            };
            for item in ctx.granted(list, database.owner) {
                for privilege in item.privileges.iter() {
                    let object: [Cell; 2] =
                        [database.name.as_str().into(), privilege.name().into()];
                    let option = Cell::from(item.grantable.has(privilege));
                    let rest = [option, "DATABASE".into()];
                    rows.push(
                        object
                            .into_iter()
                            .chain(ctx.identity(item.grantee))
                            .chain(rest),
                    );
                }
            }
        }
        for database in ctx.catalog.databases_by_name() {
            for scope in ctx.catalog.scopes_of(database.oid) {
                let word = scope_word(scope.kind);
                for item in ctx.granted(&scope.list, database.owner) {
                    for privilege in item.privileges.iter() {
                        let object: [Cell; 2] =
                            [database.name.as_str().into(), privilege.name().into()];
                        let option = Cell::from(item.grantable.has(privilege));
                        let rest = [option, word.as_str().into()];
                        rows.push(
                            object
                                .into_iter()
                                .chain(ctx.identity(item.grantee))
                                .chain(rest),
                        );
                    }
                }
            }
        }
        Ok(())
    }
}
