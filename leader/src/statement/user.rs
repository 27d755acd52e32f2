//! CREATE USER, ALTER USER, DROP USER. Passwords are kept as SCRAM verifiers only.

use super::answer::{Body, Notice};
use super::context::Context;
use crate::access::{check, scram};
use crate::catalog::User;
use crate::catalog::cache::{put_user, remove};
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ddl::{CreateUser, DropObjects};

/// Passwords of Redshift: 8 to 64 characters with an upper-case letter, a lower-case letter and a digit.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=64;

/// Runs a CREATE USER.
pub async fn create(ctx: &mut Context<'_>, create: &CreateUser) -> Result<Body> {
    check::superuser(ctx.user, "create users")?;
    ctx.transaction
        .lock(Lockable::Users, Mode::Exclusive)
        .await?;
    let name = &create.name;
    let seen = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    if seen.user_named(name).is_some() || committed.user_named(name).is_some() {
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!("user \"{name}\" already exists"),
        ));
    }
    if name == "public" || name.starts_with("pg_") {
        return Err(Error::new(
            SqlState::INVALID_NAME,
            format!("user name \"{name}\" is reserved"),
        ));
    }
    let user = User {
        oid: ctx.server.next_oid()?,
        name: name.clone(),
        superuser: create.superuser.unwrap_or(false),
        create_database: create.create_database.unwrap_or(false),
        verifier: verifier(create)?,
    };
    ctx.transaction.change_catalog(put_user(&user)?);
    Ok(Body::done("CREATE USER"))
}

/// Runs an ALTER USER. Users may change their own password; the rest is for superusers.
pub async fn alter(ctx: &mut Context<'_>, alter: &CreateUser) -> Result<Body> {
    let changes_rights = alter.superuser.is_some() || alter.create_database.is_some();
    if changes_rights || alter.name != ctx.user.name {
        check::superuser(ctx.user, "alter other users")?;
    }
    ctx.transaction
        .lock(Lockable::Users, Mode::Exclusive)
        .await?;
    let catalog = ctx.transaction.catalog()?;
    let known = catalog
        .user_named(&alter.name)
        .ok_or_else(|| no_user(&alter.name))?;
    let mut user = User::clone(known);
    if alter.password.is_some() || alter.password_disabled {
        user.verifier = verifier(alter)?;
    }
    user.superuser = alter.superuser.unwrap_or(user.superuser);
    user.create_database = alter.create_database.unwrap_or(user.create_database);
    ctx.transaction.change_catalog(put_user(&user)?);
    Ok(Body::done("ALTER USER"))
}

fn no_user(name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("user \"{name}\" does not exist"),
    )
}

/// Makes the verifier of the password given; `None` for PASSWORD DISABLE.
fn verifier(given: &CreateUser) -> Result<Option<String>> {
    let Some(password) = &given.password else {
        return Ok(None);
    };
    let is_digest =
        (password.len() == 35 && password.starts_with("md5")) || password.starts_with("sha256|");
    if is_digest {
        return Err(blueshift_sql::Error::unsupported(
            "a password given as md5 or sha256 digest",
            "Give the password itself; only its SCRAM-SHA-256 verifier is kept.",
        )
        .into());
    }
    let has = |test: fn(&char) -> bool| password.chars().any(|character| test(&character));
    let is_strong = PASSWORD_LENGTH.contains(&password.chars().count())
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit);
    if !is_strong {
        return Err(blueshift_sql::Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "password is too weak",
        )
        .with_detail(
            "A password must have 8 to 64 characters, with at least one upper-case letter, one lower-case letter \
             and one digit.",
        )
        .into());
    }
    Ok(Some(scram::verifier(password)))
}

/// Runs a DROP USER.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<Body> {
    check::superuser(ctx.user, "drop users")?;
    ctx.transaction
        .lock(Lockable::Users, Mode::Exclusive)
        .await?;
    for name in drop.names.iter().map(|name| &name.name) {
        let catalog = ctx.transaction.catalog()?;
        let Some(user) = catalog.user_named(name) else {
            if drop.if_exists {
                ctx.notices.push(Notice::skipped(format!(
                    "user \"{name}\" does not exist, skipping"
                )));
                continue;
            }
            return Err(no_user(name));
        };
        if user.oid == ctx.user.oid {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "current user cannot be dropped",
            ));
        }
        let committed = ctx.transaction.committed_catalog()?;
        let owns = [&catalog, &committed].iter().any(|catalog| {
            catalog.tables.values().any(|table| table.owner == user.oid)
                || catalog.views.values().any(|view| view.owner == user.oid)
                || catalog
                    .schemas
                    .values()
                    .any(|schema| schema.owner == user.oid)
        });
        if owns {
            return Err(blueshift_sql::Error::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("user \"{name}\" cannot be dropped because some objects depend on it"),
            )
            .with_hint("Drop the user's tables, views and schemas first.")
            .into());
        }
        ctx.transaction.change_catalog(remove("user", user.oid));
    }
    Ok(Body::done("DROP USER"))
}
