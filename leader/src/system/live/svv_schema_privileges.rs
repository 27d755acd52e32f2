//! `svv_schema_privileges`: what was granted on schemas.

use crate::error::Result;
use crate::system::grants::scope_word;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvSchemaPrivileges;

impl SystemTable for SvvSchemaPrivileges {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_schema_privileges"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("namespace_name", SqlType::Varchar(128)),
            ("privilege_type", SqlType::Varchar(128)),
            ("identity_id", SqlType::Integer),
            ("identity_name", SqlType::Varchar(128)),
            ("identity_type", SqlType::Varchar(128)),
            ("admin_option", SqlType::Boolean),
            ("privilege_scope", SqlType::Varchar(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for (oid, list) in ctx.access_lists() {
            let Some(schema) = ctx.catalog.schemas.get(&oid) else {
                continue;
            };
            for item in ctx.granted(list, schema.owner) {
                for privilege in item.privileges.iter() {
                    let object: [Cell; 2] = [schema.name.as_str().into(), privilege.name().into()];
                    let option = Cell::from(item.grantable.has(privilege));
                    let rest = [option, "SCHEMA".into()];
                    rows.push(
                        object
                            .into_iter()
                            .chain(ctx.identity(item.grantee))
                            .chain(rest),
                    );
                }
            }
        }
        for schema in ctx.catalog.schemas.values() {
            for scope in ctx.catalog.scopes_of(schema.oid) {
                let word = scope_word(scope.kind);
                for item in ctx.granted(&scope.list, schema.owner) {
                    for privilege in item.privileges.iter() {
                        let object: [Cell; 2] =
                            [schema.name.as_str().into(), privilege.name().into()];
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
