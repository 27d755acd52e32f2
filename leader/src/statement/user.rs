//! CREATE USER, ALTER USER, DROP USER. Passwords are kept as SCRAM verifiers only.

use super::answer::{Body, Notice};
use super::context::Context;
use super::grant::{lock, missing};
use super::group;
use crate::access::scan_limit::is_limit;
use crate::access::{check, md5, scram};
use crate::catalog::access::{Grantee, Group, Role};
use crate::catalog::cache::{put_group, put_role, put_user, remove};
use crate::catalog::{Catalog, User};
use crate::error::{Error, Result};
use crate::settings::Scope;
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ddl::DropObjects;
use blueshift_sql::statement::query::Expression;
use blueshift_sql::statement::user::UserOptions;

/// Passwords of Redshift: 8 to 64 characters with an upper-case letter, a lower-case letter and a digit.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=64;

/// Characters that no password may have, as in Redshift.
const PASSWORD_NEVER: [char; 5] = ['\'', '"', '\\', '/', '@'];

/// Runs a CREATE USER.
pub async fn create(ctx: &mut Context<'_>, create: &UserOptions) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    check::system(&catalog, ctx.user, "CREATE USER", "create users")?;
    lock(ctx).await?;
    ensure_free(ctx, &create.name)?;
    let mut user = User {
        oid: ctx.server.next_oid()?,
        name: create.name.clone(),
        ..User::default()
    };
    change(ctx, &mut user, create)?;
    ctx.transaction.change_catalog(put_user(&user)?);
    group::join(ctx, user.oid, &create.groups)?;
    Ok(Body::done("CREATE USER"))
}

fn ensure_free(ctx: &mut Context<'_>, name: &str) -> Result<()> {
    let seen = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    for (catalog, is_own) in [(&seen, true), (&committed, false)] {
        let counts = |oid: u32| is_own || ctx.transaction.leaves(oid);
        let user = catalog.user_named(name).filter(|one| counts(one.oid));
        let role = catalog.role_named(name).filter(|one| counts(one.oid));
        let kind = match (user, role) {
            (Some(_), _) => "user",
            (None, Some(_)) => "role",
            (None, None) => continue,
        };
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!("{kind} \"{name}\" already exists"),
        ));
    }
    if name == "public" || name.starts_with("pg_") {
        return Err(Error::new(
            SqlState::INVALID_NAME,
            format!("user name \"{name}\" is reserved"),
        ));
    }
    Ok(())
}

/// Makes the changes that a statement asks for. Only a superuser makes superusers and changes what they are.
fn change(ctx: &mut Context<'_>, user: &mut User, given: &UserOptions) -> Result<()> {
    let is_superuser = ctx.transaction.catalog()?.is_superuser(user);
    if given.superuser == Some(true) || is_superuser {
        check::superuser(ctx.user, "make or change superusers")?;
    }
    user.superuser = given.superuser.unwrap_or(user.superuser);
    if given.password_disabled {
        if user.superuser {
            return Err(blueshift_sql::Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "cannot disable the password of a superuser",
            )
            .with_hint("Give a password that nobody knows.")
            .into());
        }
        user.verifier = None;
    }
    if let Some(password) = &given.password {
        user.verifier = Some(verifier(ctx, password)?);
    }
    user.create_database = given.create_database.unwrap_or(user.create_database);
    user.syslog_unrestricted = given
        .syslog_unrestricted
        .unwrap_or(user.syslog_unrestricted);
    if let Some(text) = &given.valid_until {
        user.valid_until_us = valid_until(ctx, text)?;
    }
    user.connection_limit = given.connection_limit.unwrap_or(user.connection_limit);
    user.session_timeout = given.session_timeout.unwrap_or(user.session_timeout);
    if let Some(id) = &given.external_id {
        if user.verifier.is_some() {
            return Err(blueshift_sql::Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "EXTERNALID needs a disabled password",
            )
            .with_hint("Use PASSWORD DISABLE.")
            .into());
        }
        user.external_id = Some(id.clone());
    }
    for (name, value) in &given.parameters {
        let name = name.to_lowercase();
        user.parameters.retain(|(known, _)| *known != name);
        if let Some(value) = value {
            // Wrong now is better than wrong at each login.
            let mut trial = ctx.settings.clone();
            trial.set(&name, std::slice::from_ref(value), Scope::Session)?;
            user.parameters.push((name, value.clone()));
        }
    }
    Ok(())
}

/// Reads the time of VALID UNTIL, as a timestamp of the session; `None` is for ever.
fn valid_until(ctx: &mut Context<'_>, text: &str) -> Result<Option<i64>> {
    if text.trim().eq_ignore_ascii_case("infinity") {
        return Ok(None);
    }
    let names = ctx.names_to_write()?;
    let literal = format!("'{}'::timestamptz", text.replace('\'', "''"));
    let bound = blueshift_sql::binder::bind_constant(&names, &Expression::parse(&literal)?)?;
    let value = super::target::evaluate(&names.state, bound)?;
    let times = value.as_primitive_opt::<TimestampMicrosecondType>();
    let time = times.and_then(|times| times.iter().next().flatten());
    time.map(Some).ok_or_else(|| {
        Error::new(
            SqlState::INVALID_DATETIME_FORMAT,
            format!("VALID UNTIL '{text}' is not a time"),
        )
    })
}

/// Runs an ALTER USER. Users may change their own password and parameters; the rest needs the right to alter users.
pub async fn alter(ctx: &mut Context<'_>, alter: &UserOptions) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    let is_own = alter.name == ctx.user.name
        && alter.superuser.is_none()
        && alter.create_database.is_none()
        && alter.syslog_unrestricted.is_none()
        && alter.valid_until.is_none()
        && alter.connection_limit.is_none()
        && alter.session_timeout.is_none()
        && alter.external_id.is_none()
        && alter.rename.is_none()
        && !alter.password_disabled
        && !alter.parameters.iter().any(|(name, _)| is_limit(name));
    if !is_own {
        check::system(&catalog, ctx.user, "ALTER USER", "alter other users")?;
    }
    lock(ctx).await?;
    let catalog = ctx.transaction.catalog()?;
    let known = catalog
        .user_named(&alter.name)
        .ok_or_else(|| missing("user", &alter.name))?;
    let mut user = User::clone(known);
    if is_own && alter.password.is_some() && user.verifier.is_none() && !ctx.user.superuser {
        check::superuser(ctx.user, "enable a password")?;
    }
    change(ctx, &mut user, alter)?;
    if let Some(name) = &alter.rename {
        ensure_free(ctx, name)?;
        // The name is part of such a digest.
        if user.verifier.as_deref().is_some_and(md5::is_digest) {
            user.verifier = None;
            ctx.notices
                .push(Notice::info("MD5 password cleared because of role rename"));
        }
        user.name.clone_from(name);
    }
    ctx.transaction.change_catalog(put_user(&user)?);
    Ok(Body::done("ALTER USER"))
}

/// Makes the verifier of the password given.
fn verifier(ctx: &Context<'_>, password: &str) -> Result<String> {
    // `sha256|password` asks for a hash of that kind, which every verifier is.
    let password = match password.strip_prefix("sha256|") {
        Some(rest) if !rest.contains('|') => rest,
        _ => password,
    };
    if md5::is_digest(password) {
        if ctx.server.md5 {
            return Ok(password.to_ascii_lowercase());
        }
        return Err(blueshift_sql::Error::unsupported(
            "a password given as md5 digest, while the server does not take them",
            "Give the password itself, or start the server with --md5.",
        )
        .into());
    }
    if password.starts_with("sha256|") {
        return Err(blueshift_sql::Error::unsupported(
            "a password given as sha256 digest",
            "Give the password itself; only its SCRAM-SHA-256 verifier is kept.",
        )
        .into());
    }
    let has = |test: fn(&char) -> bool| password.chars().any(|character| test(&character));
    let is_strong = PASSWORD_LENGTH.contains(&password.chars().count())
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
        && !has(|character| !character.is_ascii_graphic() || PASSWORD_NEVER.contains(character));
    if !is_strong {
        return Err(blueshift_sql::Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "password is too weak",
        )
        .with_detail(
            "A password must have 8 to 64 ASCII characters from ! to ~, with at least one upper-case letter, one \
             lower-case letter and one digit, and without any of ' \" \\ / @.",
        )
        .into());
    }
    Ok(scram::verifier(password))
}

/// Runs a DROP USER.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    check::system(&catalog, ctx.user, "DROP USER", "drop users")?;
    lock(ctx).await?;
    for name in drop.names.iter().map(|name| &name.name) {
        let catalog = ctx.transaction.catalog()?;
        let Some(user) = catalog.user_named(name) else {
            if drop.if_exists {
                ctx.notices.push(Notice::skipped(format!(
                    "user \"{name}\" does not exist, skipping"
                )));
                continue;
            }
            return Err(missing("user", name));
        };
        if user.oid == ctx.user.oid {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "current user cannot be dropped",
            ));
        }
        if catalog.is_superuser(user) {
            check::superuser(ctx.user, "drop superusers")?;
        }
        let committed = ctx.transaction.committed_catalog()?;
        let by_others = |oid: u32| !ctx.transaction.drops(oid) && !ctx.transaction.changes(oid);
        // Also what is in other databases.
        let (seen, committed) = (catalog.whole(), committed.whole());
        let owned = owned(&seen, user, |_| true).or_else(|| owned(&committed, user, by_others));
        if let Some(owned) = owned {
            return Err(blueshift_sql::Error::new(
                SqlState::OBJECT_IN_USE,
                format!("user \"{name}\" can't be dropped because the user owns some object"),
            )
            .with_detail(format!("The user owns {owned}."))
            .with_hint("Drop what the user owns, or give it to another with OWNER TO.")
            .into());
        }
        let who = Grantee::User(user.oid);
        group::ensure_unnamed(ctx, who, "user", name)?;
        leave(ctx, &catalog, user)?;
        super::policy::depend::forget_grantee(ctx, who)?;
        ctx.transaction.change_catalog(remove("user", user.oid));
    }
    Ok(Body::done("DROP USER"))
}

/// Names something a user owns, of the objects that count.
fn owned(catalog: &Catalog, user: &User, counts: impl Fn(u32) -> bool) -> Option<String> {
    let is_own = |owner: u32, oid: u32| owner == user.oid && counts(oid);
    let qualified = |schema, name: &str| catalog.qualified_name(schema, name);
    let mut tables = catalog.tables.values();
    let mut views = catalog.views.values();
    let mut schemas = catalog.schemas.values();
    let mut roles = catalog.roles.values();
    let mut routines = catalog.routines.values();
    let table = tables.find(|table| is_own(table.owner, table.oid));
    let table = table.map(|table| format!("table {}", qualified(table.schema, &table.name)));
    let view = || {
        let view = views.find(|view| is_own(view.owner, view.oid))?;
        Some(format!("view {}", qualified(view.schema, &view.name)))
    };
    let schema = || {
        let schema = schemas.find(|schema| is_own(schema.owner, schema.oid))?;
        Some(format!("schema {}", schema.name))
    };
    let role = || {
        let role = roles.find(|role| is_own(role.owner, role.oid))?;
        Some(format!("role {}", role.name))
    };
    let routine = || {
        let routine = routines.find(|routine| is_own(routine.owner, routine.oid))?;
        let name = qualified(routine.schema, &routine.name);
        Some(format!("{} {name}", routine.kind.word()))
    };
    let mut jobs = catalog.copy_jobs.values();
    let job = || {
        let job = jobs.find(|job| is_own(job.owner, job.oid))?;
        Some(format!("copy job {}", job.name))
    };
    let mut databases = catalog.databases.values();
    let database = || {
        let database = databases.find(|one| is_own(one.owner, one.oid))?;
        Some(format!("database {}", database.name))
    };
    table
        .or_else(view)
        .or_else(schema)
        .or_else(role)
        .or_else(routine)
        .or_else(job)
        .or_else(database)
}

/// Takes a user out of groups and roles.
fn leave(ctx: &mut Context<'_>, catalog: &Catalog, user: &User) -> Result<()> {
    for group in catalog.groups.values() {
        if group.users.contains(&user.oid) {
            let mut group = Group::clone(group);
            group.users.retain(|oid| *oid != user.oid);
            ctx.transaction.change_catalog(put_group(&group)?);
        }
    }
    let who = Grantee::User(user.oid);
    for role in catalog.roles.values() {
        if role.members.iter().any(|member| member.who == who) {
            let mut role = Role::clone(role);
            role.members.retain(|member| member.who != who);
            ctx.transaction.change_catalog(put_role(&role)?);
        }
    }
    Ok(())
}
