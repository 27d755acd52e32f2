//! `has_table_privilege()` and its like: who may do what.

use super::catalog::Add;
use super::{Arg, Body, refuse, relation_by_text};
use crate::catalog::access::{Grantee, Object, ObjectKind, Role};
use crate::catalog::name::Relation;
use crate::catalog::{Column, Schema, User};
use crate::system::{self, SystemContext};
use arrow_schema::DataType;
use blueshift_sql::statement::grant::Privilege;
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
    one("has_any_column_privilege", has_any_column_privilege);
    one("has_schema_privilege", has_schema_privilege);
    one("has_database_privilege", has_database_privilege);
    one("has_function_privilege", has_function_privilege);
    one("has_language_privilege", has_language_privilege);
    let shared = ctx.clone();
    let body: Body = Arc::new(move |args| has_column_privilege(&shared, args));
    add("has_column_privilege", &[3, 4], DataType::Boolean, body);
    let shared = ctx.clone();
    let body: Body = Arc::new(move |args| user_is_member_of(&shared, args));
    add("user_is_member_of", &[2], DataType::Boolean, body);
    let shared = ctx.clone();
    let body: Body = Arc::new(move |args| role_is_member_of(&shared, args));
    add("role_is_member_of", &[2], DataType::Boolean, body);
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

/// Reads a list of privileges of a kind of object, each perhaps WITH GRANT OPTION; any of them is enough.
fn wanted(text: &str, kind: ObjectKind) -> Result<Vec<(Privilege, bool)>> {
    let one = |part: &str| {
        let part = part.trim();
        let (name, option) = match part.strip_suffix(" with grant option") {
            Some(name) => (name, true),
            None => (part, false),
        };
        let privilege = Privilege::named(name).filter(|one| kind.all().has(*one));
        privilege
            .map(|privilege| (privilege, option))
            .ok_or_else(|| unknown_privilege(part))
    };
    text.split(',').map(one).collect()
}

fn has_any(ctx: &SystemContext, user: &User, object: Object, wanted: &[(Privilege, bool)]) -> bool {
    let held = ctx.catalog.privileges(user, object);
    let grantable = ctx.catalog.grantable(user, object);
    wanted.iter().any(|(privilege, option)| match option {
        true => grantable.has(*privilege),
        false => held.has(*privilege),
    })
}

/// Finds the table or view meant; `None` is a system table.
fn relation(ctx: &SystemContext, object: &Arg) -> Result<Option<Relation>> {
    Ok(match object {
        Arg::Int(oid) => u32::try_from(*oid)
            .ok()
            .and_then(|oid| ctx.catalog.relation(oid)),
        Arg::Text(name) if is_system_table(name) => None,
        Arg::Text(name) => Some(relation_by_text(ctx, name)?),
        Arg::Null | Arg::Bool(_) => None,
    })
}

/// Tells whether a name, perhaps with a schema, is that of a system table; they are found before all others.
fn is_system_table(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let (schema, table) = name.split_once('.').unwrap_or(("pg_catalog", &name));
    system::find(schema, table).is_some()
}

fn has_table_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((user, object, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    let wanted = wanted(&privilege, ObjectKind::Relation)?;
    // System tables may be read by everyone.
    let allowed = match relation(ctx, object)? {
        Some(relation) => has_any(ctx, user, (&relation).into(), &wanted),
        None => wanted.contains(&(Privilege::Select, false)),
    };
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
    let wanted = wanted(&privilege, ObjectKind::Schema)?;
    let allowed = has_any(ctx, user, schema.as_ref().into(), &wanted);
    Ok(ScalarValue::Boolean(Some(allowed)))
}

fn has_database_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((user, object, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    let database = match object {
        Arg::Text(name) => Some(ctx.catalog.database_named(name).map_err(refuse)?),
        Arg::Int(oid) => u32::try_from(*oid)
            .ok()
            .and_then(|oid| ctx.catalog.databases.get(&oid)),
        Arg::Null | Arg::Bool(_) => None,
    };
    let Some(database) = database else {
        return Ok(ScalarValue::Boolean(None));
    };
    // Everyone may connect who can log in.
    let allowed = privilege == "connect" || {
        let wanted = wanted(&privilege, ObjectKind::Database)?;
        has_any(ctx, user, database.as_ref().into(), &wanted)
    };
    Ok(ScalarValue::Boolean(Some(allowed)))
}

/// Finds the column that is asked for, by its name or its place from 1.
fn column<'a>(relation: &'a Relation, column: &Arg) -> Result<Option<&'a Column>> {
    match column {
        Arg::Int(place) => Ok(usize::try_from(*place)
            .ok()
            .and_then(|place| place.checked_sub(1))
            .and_then(|place| relation.columns().get(place))),
        Arg::Text(name) => {
            let mut columns = relation.columns().iter();
            let found = columns.find(|column| column.name == *name);
            found.map(Some).ok_or_else(|| {
                refuse(Error::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!(
                        "column \"{name}\" of relation \"{}\" does not exist",
                        relation.name()
                    ),
                ))
            })
        }
        Arg::Null | Arg::Bool(_) => Ok(None),
    }
}

/// `([user,] table, column, privilege)`: what is held on the whole table is held on each column.
fn has_column_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let (question, named) = match args {
        [table, column, privilege] => (vec![table.clone(), privilege.clone()], column),
        [user, table, column, privilege] => {
            (vec![user.clone(), table.clone(), privilege.clone()], column)
        }
        _ => return Ok(ScalarValue::Boolean(None)),
    };
    let Some((user, object, privilege)) = privilege_question(ctx, &question)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    let wanted = wanted(&privilege, ObjectKind::Relation)?;
    let Some(relation) = relation(ctx, object)? else {
        let allowed = wanted.contains(&(Privilege::Select, false));
        return Ok(ScalarValue::Boolean(Some(allowed)));
    };
    let Some(column) = column(&relation, named)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    let allowed = has_any(ctx, user, (&relation).into(), &wanted)
        || holds_column(ctx, user, &relation, column, &wanted);
    Ok(ScalarValue::Boolean(Some(allowed)))
}

fn holds_column(
    ctx: &SystemContext,
    user: &User,
    relation: &Relation,
    column: &Column,
    wanted: &[(Privilege, bool)],
) -> bool {
    let held = ctx
        .catalog
        .column_privileges(user, relation.into(), column.id);
    wanted
        .iter()
        .any(|(privilege, option)| !option && held.has(*privilege))
}

fn has_any_column_privilege(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some((user, object, privilege)) = privilege_question(ctx, args)? else {
        return Ok(ScalarValue::Boolean(None));
    };
    let wanted = wanted(&privilege, ObjectKind::Relation)?;
    let allowed = match relation(ctx, object)? {
        None => wanted.contains(&(Privilege::Select, false)),
        Some(relation) => {
            let mut columns = relation.columns().iter();
            has_any(ctx, user, (&relation).into(), &wanted)
                || columns.any(|column| holds_column(ctx, user, &relation, column, &wanted))
        }
    };
    Ok(ScalarValue::Boolean(Some(allowed)))
}

/// Finds a role that the user may ask about.
fn role<'a>(ctx: &'a SystemContext, name: &str) -> Result<&'a Arc<Role>> {
    let missing = || {
        refuse(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("role \"{name}\" does not exist"),
        ))
    };
    let role = ctx.catalog.role_named(name).ok_or_else(missing)?;
    let catalog = &ctx.catalog;
    let may = role.owner == ctx.user.oid
        || catalog.has_role(ctx.user.oid, role.oid)
        || catalog.has_system_privilege(&ctx.user, "ACCESS SYSTEM TABLE");
    match may {
        true => Ok(role),
        false => Err(refuse(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied for role {name}"),
        ))),
    }
}

/// `(user, role)`: whether a user has a role, directly or through others.
fn user_is_member_of(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let [Arg::Text(user), Arg::Text(granted)] = args else {
        return Ok(ScalarValue::Boolean(None));
    };
    let found = ctx.catalog.user_named(user).ok_or_else(|| {
        refuse(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("user \"{user}\" does not exist"),
        ))
    })?;
    if found.oid != ctx.user.oid
        && !ctx
            .catalog
            .has_system_privilege(&ctx.user, "ACCESS SYSTEM TABLE")
    {
        return Err(refuse(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied for user {user}"),
        )));
    }
    let granted = match found.oid == ctx.user.oid {
        // Of oneself one may always ask.
        true => ctx.catalog.role_named(granted).ok_or_else(|| {
            refuse(Error::new(
                SqlState::UNDEFINED_OBJECT,
                format!("role \"{granted}\" does not exist"),
            ))
        })?,
        false => role(ctx, granted)?,
    };
    let is_member = ctx.catalog.has_role(found.oid, granted.oid);
    Ok(ScalarValue::Boolean(Some(is_member)))
}

/// `(role, granted role)`: whether a role has another.
fn role_is_member_of(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let [Arg::Text(member), Arg::Text(granted)] = args else {
        return Ok(ScalarValue::Boolean(None));
    };
    let (member, granted) = (role(ctx, member)?, role(ctx, granted)?);
    let is_member = ctx
        .catalog
        .is_member(Grantee::Role(member.oid), granted.oid);
    Ok(ScalarValue::Boolean(Some(is_member)))
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
            system::pg_catalog::pg_proc::oid_named(ctx, name).is_some()
        }
        Arg::Int(oid) => {
            let mut all = system::function::all(ctx).iter();
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
