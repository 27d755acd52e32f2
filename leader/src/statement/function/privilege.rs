//! `has_table_privilege()` and its like: who may do what.

use super::catalog::Add;
use super::{Arg, Body, refuse, relation_by_text};
use crate::access::check;
use crate::catalog::{Schema, User};
use crate::system::SystemContext;
use arrow_schema::DataType;
use blueshift_sql::{Error, SqlState};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use std::sync::Arc;

/// Adds all of this file.
pub(super) fn add_all(ctx: &Arc<SystemContext>, add: &mut Add<'_>) {
    let mut one = |name, body: fn(&SystemContext, &[Arg]) -> Result<ScalarValue>| {
        let shared = ctx.clone();
        let body: Body = Arc::new(move |args| body(&shared, args));
        add(name, &[2, 3], DataType::Boolean, body);
    };
    one("has_table_privilege", has_table_privilege);
    one("has_any_column_privilege", has_table_privilege);
    one("has_schema_privilege", has_schema_privilege);
    one("has_database_privilege", has_database_privilege);
    one("has_function_privilege", has_function_privilege);
    one("has_language_privilege", has_language_privilege);
    let shared = ctx.clone();
    let body: Body = Arc::new(move |args| has_column_privilege(&shared, args));
    add("has_column_privilege", &[3, 4], DataType::Boolean, body);
}

/// Splits `([user,] object, privilege)`.
fn privilege_question<'a>(
    ctx: &'a SystemContext,
    args: &'a [Arg],
) -> Result<Option<(&'a User, &'a Arg, String)>> {
    let (user, object, privilege) = match args {
        [object, Arg::Text(privilege)] => (&*ctx.user, object, privilege),
        [Arg::Text(user), object, Arg::Text(privilege)] => {
            let found = ctx.catalog.user_named(user).ok_or_else(|| {
                refuse(Error::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("user \"{user}\" does not exist"),
                ))
            })?;
            (&**found, object, privilege)
        }
        [Arg::Int(user), object, Arg::Text(privilege)] => {
            let found = u32::try_from(*user)
                .ok()
                .and_then(|oid| ctx.catalog.users.get(&oid));
            match found {
                Some(user) => (&**user, object, privilege),
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some((user, object, privilege.trim().to_ascii_lowercase())))
}

fn unknown_privilege(privilege: &str) -> DataFusionError {
    refuse(Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("unrecognized privilege type: \"{privilege}\""),
    ))
}

fn has_table_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((user, object, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    let known = [
        "select",
        "insert",
        "update",
        "delete",
        "references",
        "drop",
        "truncate",
        "alter",
    ];
    if !known.contains(&privilege.as_str()) {
        return Err(unknown_privilege(&privilege));
    }
    let relation = match object {
        Arg::Int(oid) => u32::try_from(*oid)
            .ok()
            .and_then(|oid| ctx.catalog.relation(oid)),
        Arg::Text(name) => Some(relation_by_text(ctx, name)?),
        Arg::Null | Arg::Bool(_) => None,
    };
    // System tables may be read by everyone.
    let allowed = relation.map_or(privilege == "select", |relation| {
        check::relation(user, &relation).is_ok()
    });
    Ok(ScalarValue::Boolean(Some(allowed)))
}

fn has_schema_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((user, object, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    let schema: Option<&Arc<Schema>> = match object {
        Arg::Int(oid) => u32::try_from(*oid)
            .ok()
            .and_then(|oid| ctx.catalog.schemas.get(&oid)),
        Arg::Text(name) => Some(ctx.catalog.schema_named(name).ok_or_else(|| {
            refuse(Error::new(
                SqlState::INVALID_SCHEMA_NAME,
                format!("schema \"{name}\" does not exist"),
            ))
        })?),
        Arg::Null | Arg::Bool(_) => None,
    };
    let Some(schema) = schema else {
        return Ok(ScalarValue::Boolean(None));
    };
    let allowed = match privilege.as_str() {
        "usage" => check::may_use_schema(user, schema),
        "create" => check::create_in_schema(user, schema).is_ok(),
        _ => return Err(unknown_privilege(&privilege)),
    };
    Ok(ScalarValue::Boolean(Some(allowed)))
}

fn has_database_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((user, object, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    if let Arg::Text(name) = object
        && *name != ctx.server.database
    {
        return Err(refuse(Error::new(
            SqlState::INVALID_CATALOG_NAME,
            format!("database \"{name}\" does not exist"),
        )));
    }
    let allowed = match privilege.as_str() {
        "temp" | "temporary" | "connect" | "usage" => true,
        "create" => user.superuser,
        _ => return Err(unknown_privilege(&privilege)),
    };
    Ok(ScalarValue::Boolean(Some(allowed)))
}

/// Rights on a column are those on its table.
fn has_column_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    match args {
        [table, _, privilege] => has_table_privilege(ctx, &[table.clone(), privilege.clone()]),
        [user, table, _, privilege] => {
            has_table_privilege(ctx, &[user.clone(), table.clone(), privilege.clone()])
        }
        _ => Ok(ScalarValue::Boolean(None)),
    }
}

/// Everyone may call the server's functions.
fn has_function_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((_, object, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    if privilege != "execute" {
        return Err(unknown_privilege(&privilege));
    }
    let known = match object {
        Arg::Text(name) => {
            let name = name.split('(').next().unwrap_or_default();
            let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
            crate::system::pg_catalog::pg_proc::oid_named(ctx, name).is_some()
        }
        Arg::Int(oid) => {
            let mut all = crate::system::function::all(ctx).iter();
            all.any(|facts| i64::from(facts.oid) == *oid)
        }
        Arg::Null | Arg::Bool(_) => return Ok(ScalarValue::Boolean(None)),
    };
    match (known, object) {
        (false, Arg::Text(name)) => Err(refuse(Error::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("function \"{name}\" does not exist"),
        ))),
        (known, _) => Ok(ScalarValue::Boolean(known.then_some(true))),
    }
}

/// Nobody can write functions in the server's own language.
fn has_language_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((user, _, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    match privilege.as_str() {
        "usage" => Ok(ScalarValue::Boolean(Some(user.superuser))),
        _ => Err(unknown_privilege(&privilege)),
    }
}
