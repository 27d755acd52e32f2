//! CREATE, DROP, ALTER and SHOW of functions and procedures.

use super::answer::{Body, Notice};
use super::context::Context;
use super::create_table::schema_for;
use super::names::SessionNames;
use crate::access::check;
use crate::catalog::cache::{put_comment, put_routine, remove};
use crate::catalog::name::{Relation, quoted};
use crate::catalog::routine::Routine;
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::binder::check_function;
use blueshift_sql::nearest::nearest;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::routine::{
    AlterRoutine, CreateRoutine, DropRoutine, RoutineChange, RoutineKind, RoutineName, RoutineType,
};
use blueshift_sql::{SqlState, procedural};
use std::sync::Arc;

/// Procedures a database may have.
const PROCEDURES_MAX: usize = 10_000;

/// Runs a CREATE FUNCTION or CREATE PROCEDURE.
pub async fn create(ctx: &mut Context<'_>, create: &CreateRoutine) -> Result<Body> {
    let schema = schema_for(ctx, &create.name, false).await?;
    let name = &create.name.name;
    let on = Lockable::Name(schema.oid, format!("{name}()"));
    ctx.transaction.lock(on, Mode::Exclusive).await?;
    let language = match create.kind {
        RoutineKind::Function => "sql",
        RoutineKind::Procedure => "plpgsql",
    };
    check::language(&*ctx.transaction.catalog()?, ctx.user, language)?;
    let mut is_new = false;
    let mut routine = Routine {
        oid: 0,
        schema: schema.oid,
        name: name.clone(),
        owner: ctx.user.oid,
        kind: create.kind,
        arguments: create.arguments.clone(),
        returns: create.returns,
        volatility: create.volatility,
        body: create.body.clone(),
        nonatomic: create.nonatomic,
        security_definer: create.security_definer,
        settings: create
            .settings
            .iter()
            .map(|set| (set.name.clone(), set.values.clone()))
            .collect(),
    };
    match find_same(ctx, &routine)? {
        Some(old) if create.or_replace => {
            check::routine_owner(&*ctx.transaction.catalog()?, ctx.user, &old)?;
            check_replaces(&old, &routine)?;
            ctx.transaction
                .lock(Lockable::Relation(old.oid), Mode::Exclusive)
                .await?;
            routine.oid = old.oid;
            routine.owner = old.owner;
        }
        Some(old) => return Err(exists(&old)),
        None => {
            routine.oid = ctx.server.next_oid()?;
            is_new = true;
            let catalog = ctx.transaction.catalog()?;
            let of_kind = catalog.routines.values();
            let count = of_kind
                .filter(|one| one.kind == RoutineKind::Procedure)
                .count();
            if create.kind == RoutineKind::Procedure && count >= PROCEDURES_MAX {
                return Err(Error::new(
                    SqlState::PROGRAM_LIMIT_EXCEEDED,
                    format!("a database can have at most {PROCEDURES_MAX} procedures"),
                ));
            }
        }
    }
    match create.kind {
        RoutineKind::Function => {
            let names = ctx.names()?;
            let function = routine
                .sql_function()
                .ok_or_else(|| Error::internal("a function without a type"))?;
            check_function(&names, &function)?;
        }
        RoutineKind::Procedure => {
            procedural::parse(&routine.body, &routine.arguments)?;
            for (setting, values) in &routine.settings {
                // A wrong setting is told now, not at the first call.
                let mut settings = ctx.settings.clone();
                settings.set(setting, values, crate::settings::Scope::Session)?;
            }
        }
    }
    ctx.transaction.change_catalog(put_routine(&routine)?);
    if is_new {
        super::grant::born(ctx, (&routine).into(), routine.schema)?;
    }
    Ok(Body::done(match create.kind {
        RoutineKind::Function => "CREATE FUNCTION",
        RoutineKind::Procedure => "CREATE PROCEDURE",
    }))
}

/// Finds the routine of the same schema, name and inputs, whatever its kind.
fn find_same(ctx: &mut Context<'_>, wanted: &Routine) -> Result<Option<Arc<Routine>>> {
    let seen = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    let types = |routine: &Routine| -> Vec<String> {
        routine.inputs().map(RoutineType::signature).collect()
    };
    for kind in [RoutineKind::Function, RoutineKind::Procedure] {
        let own = seen.routines_named(wanted.schema, &wanted.name, kind);
        let others = committed.routines_named(wanted.schema, &wanted.name, kind);
        let others = others
            .into_iter()
            .filter(|one| !ctx.transaction.drops(one.oid) && !ctx.transaction.changes(one.oid));
        let mut all = own.into_iter().chain(others);
        if let Some(found) = all.find(|one| types(one) == types(wanted)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn exists(routine: &Routine) -> Error {
    blueshift_sql::Error::new(
        SqlState::DUPLICATE_FUNCTION,
        format!(
            "{} \"{}\" already exists with same argument types",
            routine.kind.word(),
            routine.name
        ),
    )
    .with_hint(format!(
        "Use CREATE OR REPLACE {}",
        routine.kind.word().to_uppercase()
    ))
    .into()
}

fn check_replaces(old: &Routine, new: &Routine) -> Result<()> {
    if old.kind != new.kind {
        return Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("\"{}\" is a {}", old.signature(), old.kind.word()),
        ));
    }
    let outputs = |routine: &Routine| -> Vec<String> {
        routine.outputs().map(|one| one.ty.signature()).collect()
    };
    let same_result = old.returns.map(|ty| RoutineType::Sql(ty).signature())
        == new.returns.map(|ty| RoutineType::Sql(ty).signature());
    if same_result && outputs(old) == outputs(new) {
        return Ok(());
    }
    let word = old.kind.word();
    Err(blueshift_sql::Error::new(
        SqlState::INVALID_FUNCTION_DEFINITION,
        format!("cannot change return type of existing {word}"),
    )
    .with_hint(format!("Use DROP {} first.", word.to_uppercase()))
    .into())
}

/// Finds the routines of a name: in the named schema, else in the first schema of the path that has any.
pub fn named(
    names: &SessionNames,
    name: &ObjectName,
    kind: RoutineKind,
) -> Result<Vec<Arc<Routine>>> {
    let catalog = names.catalog();
    if let Some(schema) = &name.schema {
        let Some(found) = catalog.schema_named(schema) else {
            return Err(super::context::no_schema(schema, catalog));
        };
        check::use_schema(catalog, names.user(), found)?;
        return Ok(catalog.routines_named(found.oid, &name.name, kind));
    }
    let path = names.system.search_path.iter();
    let mut found = path.map(|schema| catalog.routines_named(*schema, &name.name, kind));
    Ok(found
        .find(|routines| !routines.is_empty())
        .unwrap_or_default())
}

/// The refusal of a routine nobody made.
pub fn missing(
    names: &SessionNames,
    kind: RoutineKind,
    name: &str,
    arguments: Option<&str>,
) -> Error {
    let shown = match arguments {
        Some(arguments) => format!("{name}({arguments})"),
        None => name.to_string(),
    };
    let error = blueshift_sql::Error::new(
        SqlState::UNDEFINED_FUNCTION,
        format!("{} {shown} does not exist", kind.word()),
    );
    let catalog = names.catalog();
    match nearest(name, catalog.routine_names(kind)) {
        Some(near) if near != name => error.with_hint(format!("Perhaps you meant \"{near}\".")),
        Some(_) => error.with_hint("Check the types of the arguments; add explicit casts."),
        None => error,
    }
    .into()
}

/// Finds a routine by its name, and by its arguments if they are given.
pub(super) fn find(
    ctx: &mut Context<'_>,
    wanted: &RoutineName,
    kind: RoutineKind,
) -> Result<Arc<Routine>> {
    let names = ctx.names()?;
    let found = named(&names, &wanted.name, kind)?;
    let Some(arguments) = &wanted.arguments else {
        return match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(missing(&names, kind, &wanted.name.name, None)),
            _ => Err(blueshift_sql::Error::new(
                SqlState::AMBIGUOUS_FUNCTION,
                format!(
                    "{} name \"{}\" is not unique",
                    kind.word(),
                    wanted.name.name
                ),
            )
            .with_hint("Name the types of the arguments in parentheses.")
            .into()),
        };
    };
    let one = found.into_iter().find(|one| one.is_named_by(arguments));
    one.ok_or_else(|| {
        let types = arguments.iter().filter(|one| one.mode.is_input());
        let types: Vec<_> = types.map(|one| one.ty.signature()).collect();
        missing(&names, kind, &wanted.name.name, Some(&types.join(", ")))
    })
}

/// Runs a DROP FUNCTION or DROP PROCEDURE.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropRoutine) -> Result<Body> {
    for wanted in &drop.routines {
        let routine = match find(ctx, wanted, drop.kind) {
            Ok(routine) => routine,
            Err(Error::Sql(error))
                if drop.if_exists
                    && [SqlState::UNDEFINED_FUNCTION, SqlState::INVALID_SCHEMA_NAME]
                        .contains(&error.code) =>
            {
                let text = format!("{}, skipping", error.message);
                ctx.notices.push(Notice::skipped(text));
                continue;
            }
            Err(error) => return Err(error),
        };
        check::routine_owner(&*ctx.transaction.catalog()?, ctx.user, &routine)?;
        remove_routine(ctx, &routine, drop.cascade).await?;
    }
    Ok(Body::done(match drop.kind {
        RoutineKind::Function => "DROP FUNCTION",
        RoutineKind::Procedure => "DROP PROCEDURE",
    }))
}

/// Takes a routine out of the catalog, with the views that need it if `cascade`.
pub async fn remove_routine(ctx: &mut Context<'_>, routine: &Routine, cascade: bool) -> Result<()> {
    ctx.transaction
        .lock(Lockable::Relation(routine.oid), Mode::Exclusive)
        .await?;
    let shown = format!("{} {}", routine.kind.word(), routine.signature());
    super::policy::depend::ensure_not_called(ctx, routine.oid, &shown)?;
    let views = ctx.transaction.catalog()?.dependents(routine.oid);
    if !views.is_empty() && !cascade {
        let facts: Vec<_> = views
            .iter()
            .map(|view| format!("view {} depends on {shown}", view.name))
            .collect();
        return Err(blueshift_sql::Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cannot drop {shown} because other objects depend on it"),
        )
        .with_detail(facts.join("\n"))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
        .into());
    }
    for view in views {
        let text = format!("drop cascades to view {}", view.name);
        ctx.notices.push(Notice::skipped(text));
        super::drop::whole(ctx, &Relation::View(view)).await?;
    }
    ctx.transaction
        .change_catalog(put_comment(routine.oid, 0, None));
    ctx.transaction
        .change_catalog(remove("routine", routine.oid));
    super::drop::forget_access(ctx, routine.oid)
}

/// Runs an ALTER FUNCTION or ALTER PROCEDURE.
pub async fn alter(ctx: &mut Context<'_>, alter: &AlterRoutine) -> Result<Body> {
    let routine = find(ctx, &alter.routine, alter.kind)?;
    check::routine_owner(&*ctx.transaction.catalog()?, ctx.user, &routine)?;
    ctx.transaction
        .lock(Lockable::Relation(routine.oid), Mode::Exclusive)
        .await?;
    let mut changed = Routine::clone(&routine);
    match &alter.change {
        RoutineChange::Rename(name) => {
            let on = Lockable::Name(routine.schema, format!("{name}()"));
            ctx.transaction.lock(on, Mode::Exclusive).await?;
            changed.name.clone_from(name);
            if let Some(other) = find_same(ctx, &changed)? {
                return Err(exists(&other));
            }
        }
        RoutineChange::Owner(owner) => {
            check::superuser(
                ctx.user,
                &format!("change the owner of a {}", alter.kind.word()),
            )?;
            let catalog = ctx.transaction.catalog()?;
            let user = match owner.as_str() {
                "current_user" | "session_user" => Some(ctx.user),
                name => catalog.user_named(name),
            };
            let user = user.ok_or_else(|| {
                Error::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("user \"{owner}\" does not exist"),
                )
            })?;
            let owner = user.oid;
            super::grant::lock(ctx).await?;
            super::grant::change_owner(ctx, routine.as_ref().into(), owner)?;
            changed.owner = owner;
        }
    }
    ctx.transaction.change_catalog(put_routine(&changed)?);
    Ok(Body::done(match alter.kind {
        RoutineKind::Function => "ALTER FUNCTION",
        RoutineKind::Procedure => "ALTER PROCEDURE",
    }))
}

/// The column of SHOW PROCEDURE.
pub const SHOWN: &str = "Stored Procedure Definition";

/// Runs a SHOW PROCEDURE: gives a text that makes the procedure again.
pub fn show(ctx: &mut Context<'_>, wanted: &RoutineName) -> Result<Body> {
    let routine = find(ctx, wanted, RoutineKind::Procedure)?;
    let catalog = ctx.transaction.catalog()?;
    let schema = catalog.schemas.get(&routine.schema);
    let schema = schema.map_or_else(String::new, |schema| quoted(&schema.name));
    let mut text = format!(
        "CREATE OR REPLACE PROCEDURE {schema}.{}({})\n",
        quoted(&routine.name),
        routine.arguments_shown()
    );
    if routine.nonatomic {
        text.push_str("NONATOMIC\n");
    }
    text.push_str("LANGUAGE plpgsql\n");
    if routine.security_definer {
        text.push_str("SECURITY DEFINER\n");
    }
    for (name, values) in &routine.settings {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("'{}'", value.replace('\'', "''")))
            .collect();
        text.push_str(&format!("SET {name} TO {}\n", values.join(", ")));
    }
    let quote = dollar_quote(&routine.body);
    text.push_str(&format!("AS {quote}{}{quote}\n", routine.body));
    Body::text_rows("SHOW", &[SHOWN], &[vec![text]])
}

/// Gives dollars that the body does not hold.
fn dollar_quote(body: &str) -> String {
    let tags = ["$_$".to_string(), "$$".to_string()].into_iter();
    let numbered = (0..=body.len()).map(|number| format!("$body{number}$"));
    tags.chain(numbered)
        .find(|tag| !body.contains(tag.trim_end_matches('$')))
        .unwrap_or_else(|| "$_$".to_string())
}
