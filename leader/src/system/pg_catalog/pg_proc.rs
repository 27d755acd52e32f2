//! `pg_proc`: functions.

use super::pg_type::{ANY_OID, function_oid, type_oid};
use crate::catalog::{ADMIN_OID, PG_CATALOG_OID};
use crate::error::Result;
use crate::system::function;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The oid of language `internal`.
const INTERNAL: u32 = 12;

/// The table.
pub struct PgProc;

impl SystemTable for PgProc {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_proc"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("proname", SqlType::Name),
            ("pronamespace", SqlType::Oid),
            ("proowner", SqlType::Integer),
            ("prolang", SqlType::Oid),
            ("proisagg", SqlType::Boolean),
            ("proiswindow", SqlType::Boolean),
            ("prosecdef", SqlType::Boolean),
            ("proleakproof", SqlType::Boolean),
            ("proisstrict", SqlType::Boolean),
            ("proretset", SqlType::Boolean),
            ("provolatile", SqlType::Char(1)),
            ("proparallel", SqlType::Char(1)),
            ("prokind", SqlType::Char(1)),
            ("pronargs", SqlType::SmallInt),
            ("prorettype", SqlType::Oid),
            ("proargtypes", SqlType::Varchar(65_535)),
            ("proallargtypes", SqlType::Varchar(65_535)),
            ("proargmodes", SqlType::Varchar(65_535)),
            ("proargnames", SqlType::Varchar(65_535)),
            ("prosrc", SqlType::Varchar(65_535)),
            ("probin", SqlType::Varchar(65_535)),
            ("proacl", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for facts in function::all(ctx) {
            let oid = |ty: &Option<SqlType>| ty.map_or(ANY_OID, type_oid);
            let arguments: Vec<_> = facts
                .arguments
                .iter()
                .map(|ty| oid(ty).to_string())
                .collect();
            rows.push([
                facts.oid.into(),
                facts.name.as_str().into(),
                PG_CATALOG_OID.into(),
                ADMIN_OID.into(),
                INTERNAL.into(),
                (facts.kind == "a").into(),
                (facts.kind == "w").into(),
                false.into(),
                false.into(),
                false.into(),
                false.into(),
                if facts.is_immutable { "i" } else { "s" }.into(),
                "s".into(),
                facts.kind.into(),
                facts.arguments.len().into(),
                oid(&facts.returns).into(),
                arguments.join(" ").into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                facts.name.as_str().into(),
                Cell::Null,
                Cell::Null,
            ]);
        }
        Ok(())
    }
}

/// Finds the oid of a function by its name: one that can be called, or one that reads or writes a type.
pub fn oid_named(ctx: &SystemContext, name: &str) -> Option<u32> {
    let mut all = function::all(ctx).iter();
    all.find(|facts| facts.name == name)
        .map(|facts| facts.oid)
        .or_else(|| function_oid(name))
}
