//! `pg_default_acl`: what new objects are born with.

use crate::catalog::access::ObjectKind;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable, name_hash};
use blueshift_sql::SqlType;

/// The table.
pub struct PgDefaultAcl;

impl SystemTable for PgDefaultAcl {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_default_acl"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("defacluser", SqlType::Integer),
            ("defaclrole", SqlType::Oid),
            ("defaclnamespace", SqlType::Oid),
            ("defaclobjtype", SqlType::Char(1)),
            ("defaclacl", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let defaults = ctx.catalog.defaults.values();
        let mut defaults: Vec<_> = defaults.filter(|one| !one.is_scope()).collect();
        defaults.sort_by_key(|defaults| (defaults.owner, defaults.schema));
        for defaults in defaults {
            let kind = match defaults.kind {
                ObjectKind::Procedure => "p",
                ObjectKind::Function => "f",
                _ => "r",
            };
            let schema = defaults.schema.unwrap_or(0);
            rows.push([
                // There is no object: the number follows from whose and where.
                Cell::from(name_hash(&[
                    &defaults.owner.to_string(),
                    &schema.to_string(),
                    kind,
                ])),
                defaults.owner.into(),
                defaults.owner.into(),
                schema.into(),
                kind.into(),
                ctx.catalog.access_text(&defaults.list, None).into(),
            ]);
        }
        Ok(())
    }
}
