//! Functions that write objects as text: `pg_get_constraintdef()`, `pg_get_indexdef()`, `format_encoding()`.

use super::catalog::Add;
use super::{Arg, Body, text};
use crate::catalog::constraint::NamedConstraint;
use crate::catalog::name::quoted;
use crate::catalog::{Table, TableConstraint};
use crate::system::function::FunctionFacts;
use crate::system::pg_catalog::pg_attribute::encoding_of_number;
use crate::system::{SystemContext, function};
use arrow_schema::DataType;
use blueshift_sql::statement::routine::RoutineType;
use datafusion::common::ScalarValue;
use std::sync::Arc;

/// Adds all of this file.
pub(super) fn add_all(ctx: &Arc<SystemContext>, add: &mut Add<'_>) {
    let mut one =
        |name, counts: &[usize], body: fn(&SystemContext, u32, &[Arg]) -> Option<String>| {
            let shared = ctx.clone();
            let body: Body = Arc::new(move |args| {
                let oid = match args.first() {
                    Some(Arg::Int(oid)) => u32::try_from(*oid).ok(),
                    _ => None,
                };
                Ok(oid
                    .and_then(|oid| body(&shared, oid, args))
                    .map_or(ScalarValue::Null, text))
            });
            add(name, counts, DataType::Utf8View, body);
        };
    one("pg_get_constraintdef", &[1, 2], constraint);
    one("pg_get_indexdef", &[1, 3], index);
    one("pg_get_ruledef", &[1, 2], rule);
    // There are no triggers.
    one("pg_get_triggerdef", &[1, 2], |_, _, _| None);
    one("pg_get_function_result", &[1], |ctx, oid, _| {
        match ctx.catalog.routines.get(&oid) {
            Some(routine) => Some(RoutineType::Sql(routine.returns?).signature()),
            None => Some(find(ctx, oid)?.result_shown()),
        }
    });
    one("pg_get_function_arguments", &[1], |ctx, oid, _| {
        match ctx.catalog.routines.get(&oid) {
            Some(routine) => Some(routine.arguments_shown()),
            None => Some(find(ctx, oid)?.arguments_shown()),
        }
    });
    one("pg_get_functiondef", &[1], |ctx, oid, _| {
        let facts = find(ctx, oid)?;
        Some(format!(
            "CREATE OR REPLACE FUNCTION pg_catalog.{}({})\n RETURNS {}\n LANGUAGE internal\n {}\nAS $function${}$function$\n",
            quoted(&facts.name),
            facts.arguments_shown(),
            facts.result_shown(),
            if facts.is_immutable {
                "IMMUTABLE"
            } else {
                "STABLE"
            },
            facts.name
        ))
    });
    one(
        "pg_get_function_identity_arguments",
        &[1],
        |ctx, oid, _| match ctx.catalog.routines.get(&oid) {
            Some(routine) => {
                let types: Vec<_> = routine.inputs().map(RoutineType::signature).collect();
                Some(types.join(", "))
            }
            None => Some(find(ctx, oid)?.arguments_shown()),
        },
    );
    let encoding: Body = Arc::new(|args| Ok(format_encoding(args)));
    add("format_encoding", &[1], DataType::Utf8View, encoding);
}

fn find(ctx: &SystemContext, oid: u32) -> Option<&'static FunctionFacts> {
    function::all(ctx).iter().find(|facts| facts.oid == oid)
}

fn format_encoding(args: &[Arg]) -> ScalarValue {
    let word = match args.first() {
        Some(Arg::Int(number)) => encoding_of_number(*number),
        _ => None,
    };
    ScalarValue::Utf8View(word.map(str::to_string))
}

fn columns(table: &Table, indexes: &[usize]) -> String {
    let names = indexes.iter().filter_map(|at| table.columns.get(*at));
    let names: Vec<_> = names.map(|column| quoted(&column.name)).collect();
    names.join(", ")
}

/// The name of a table, with its schema where the search path does not lead there.
fn shown(ctx: &SystemContext, table: &Table) -> String {
    let mut path = ctx.search_path.iter();
    let first = path.find_map(|schema| ctx.catalog.relation_named(*schema, &table.name));
    let is_visible = first.is_some_and(|first| first.oid() == table.oid);
    match ctx.catalog.schemas.get(&table.schema) {
        Some(schema) if !is_visible => {
            format!("{}.{}", quoted(&schema.name), quoted(&table.name))
        }
        _ => quoted(&table.name),
    }
}

fn constraint(ctx: &SystemContext, oid: u32, _: &[Arg]) -> Option<String> {
    let table = ctx.catalog.table_of_derived(oid)?;
    let mut named = table.named_constraints().into_iter();
    let found = named.find(|one| one.oid == oid)?;
    Some(match found.constraint {
        TableConstraint::PrimaryKey(key) => format!("PRIMARY KEY ({})", columns(table, key)),
        TableConstraint::Unique(key) => format!("UNIQUE ({})", columns(table, key)),
        TableConstraint::ForeignKey {
            columns: key,
            table: there,
            referred,
        } => {
            let there = ctx.catalog.tables.get(there)?;
            format!(
                "FOREIGN KEY ({}) REFERENCES {}({})",
                columns(table, key),
                shown(ctx, there),
                columns(there, referred)
            )
        }
    })
}

/// `(index)` is the whole, `(index, n, pretty)` the n-th column.
fn index(ctx: &SystemContext, oid: u32, args: &[Arg]) -> Option<String> {
    let table = ctx.catalog.table_of_derived(oid)?;
    let named = table.named_constraints();
    let found: &NamedConstraint<'_> = named.iter().find(|one| one.index == Some(oid))?;
    if let Some(Arg::Int(place)) = args.get(1)
        && *place > 0
    {
        let place = usize::try_from(*place).ok()?;
        let column = found.columns().get(place - 1)?;
        return Some(quoted(&table.columns.get(*column)?.name));
    }
    let schema = ctx.catalog.schemas.get(&table.schema)?;
    Some(format!(
        "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
        quoted(&found.name),
        quoted(&schema.name),
        quoted(&table.name),
        columns(table, found.columns())
    ))
}

fn rule(ctx: &SystemContext, oid: u32, _: &[Arg]) -> Option<String> {
    let view = ctx.catalog.view_of_rule(oid)?;
    Some(format!(
        "CREATE RULE \"_RETURN\" AS ON SELECT TO {} DO INSTEAD {};",
        quoted(&view.name),
        view.text.trim_end_matches(';')
    ))
}
