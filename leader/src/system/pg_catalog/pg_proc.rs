//! `pg_proc`: functions.

use super::pg_type::{ANY_OID, function_oid, type_oid};
use crate::catalog::{ADMIN_OID, PG_CATALOG_OID};
use crate::error::Result;
use crate::system::function;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;
use blueshift_sql::statement::routine::{Argument, ArgumentMode, RoutineKind, RoutineVolatility};

/// The oid of language `internal`.
const INTERNAL: u32 = 12;
/// The oid of language `sql`.
const SQL: u32 = 14;
/// The oid of language `plpgsql`.
const PLPGSQL: u32 = crate::catalog::language::PLPGSQL_OID;
/// The oid of type `void`.
const VOID_OID: u32 = 2278;

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
        for routine in ctx.catalog.routines.values() {
            let inputs: Vec<_> = routine
                .inputs()
                .map(|ty| type_oid(ty.sql()).to_string())
                .collect();
            let is_plain = routine.outputs().next().is_none();
            let all = |text: &dyn Fn(&Argument) -> String| {
                let parts: Vec<_> = routine.arguments.iter().map(text).collect();
                format!("{{{}}}", parts.join(","))
            };
            let types = all(&|argument| type_oid(argument.ty.sql()).to_string());
            let modes = all(&|argument| mode_letter(argument.mode).to_string());
            let names = all(&|argument| argument.name.clone().unwrap_or_default());
            let is_named = routine.arguments.iter().any(|one| one.name.is_some());
            let is_function = routine.kind == RoutineKind::Function;
            rows.push([
                routine.oid.into(),
                routine.name.as_str().into(),
                routine.schema.into(),
                routine.owner.into(),
                if is_function { SQL } else { PLPGSQL }.into(),
                false.into(),
                false.into(),
                routine.security_definer.into(),
                false.into(),
                false.into(),
                false.into(),
                volatility_letter(routine.volatility).into(),
                "u".into(),
                if is_function { "f" } else { "p" }.into(),
                inputs.len().into(),
                routine.returns.map_or(VOID_OID, type_oid).into(),
                inputs.join(" ").into(),
                if is_plain { Cell::Null } else { types.into() },
                if is_plain { Cell::Null } else { modes.into() },
                if is_named { names.into() } else { Cell::Null },
                routine.body.as_str().into(),
                Cell::Null,
                Cell::Null,
            ]);
        }
        Ok(())
    }
}

/// The letter of `proargmodes`.
pub fn mode_letter(mode: ArgumentMode) -> &'static str {
    match mode {
        ArgumentMode::In => "i",
        ArgumentMode::Out => "o",
        ArgumentMode::InOut => "b",
    }
}

fn volatility_letter(volatility: RoutineVolatility) -> &'static str {
    match volatility {
        RoutineVolatility::Volatile => "v",
        RoutineVolatility::Stable => "s",
        RoutineVolatility::Immutable => "i",
    }
}

/// Finds the oid of a function by its name: one that can be called, or one that reads or writes a type.
pub fn oid_named(ctx: &SystemContext, name: &str) -> Option<u32> {
    let mut all = function::all(ctx).iter();
    all.find(|facts| facts.name == name)
        .map(|facts| facts.oid)
        .or_else(|| function_oid(name))
}
