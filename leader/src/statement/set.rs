//! SET, RESET, SHOW: the session's parameters.

use super::answer::{Body, Notice};
use super::context::Context;
use crate::error::{Error, Result};
use crate::settings::list::PARAMETERS;
use crate::settings::{Change, Scope};
use crate::wlm::config::PARAMETER;
use blueshift_sql::SqlState;
use blueshift_sql::nearest::nearest;
use blueshift_sql::statement::session::{Reset, Set, Show};

/// The parameter that says who the session acts as.
pub const SESSION_AUTHORIZATION: &str = "session_authorization";

/// Runs a SET. SET LOCAL goes back at the end of the transaction; outside a block that is at once, so it warns.
pub fn set(ctx: &mut Context<'_>, set: &Set) -> Result<Body> {
    if set.local && !ctx.transaction.is_explicit {
        ctx.notices.push(Notice::warning(
            SqlState::NO_ACTIVE_SQL_TRANSACTION,
            "SET LOCAL can only be used in transaction blocks",
        ));
    }
    let scope = match set.local {
        true => Scope::Local,
        false => Scope::Session,
    };
    change(ctx, &set.name, &set.values, scope)?;
    Ok(Body::done("SET"))
}

/// Makes the changes `set_config` asked for.
pub fn apply(ctx: &mut Context<'_>, changes: Vec<Change>) -> Result<()> {
    for asked in changes {
        change(ctx, &asked.name, &[asked.value], asked.scope)?;
    }
    Ok(())
}

fn change(ctx: &mut Context<'_>, name: &str, values: &[String], scope: Scope) -> Result<()> {
    if name.eq_ignore_ascii_case(SESSION_AUTHORIZATION) {
        return become_user(ctx, values, scope);
    }
    // A transaction's own mode ends with it, however it was set.
    let is_mode = name.eq_ignore_ascii_case("transaction_read_only");
    let scope = if is_mode { Scope::Local } else { scope };
    let was_read_only = ctx.transaction.is_read_only;
    let notice = ctx
        .settings
        .set(name, values, scope)
        .map_err(told_of_near)?;
    if is_mode {
        ctx.transaction.is_read_only = ctx.settings.is_on(name);
        if was_read_only && !ctx.transaction.is_read_only && ctx.transaction.has_queried() {
            return Err(Error::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "transaction read-write mode must be set before any query",
            ));
        }
    }
    if let Some(why) = notice {
        ctx.notices.push(Notice::skipped(format!(
            "{name} changes nothing here: {why}"
        )));
    }
    Ok(())
}

/// SET SESSION AUTHORIZATION: who logged in as a superuser may act as another user; without a value, be oneself again.
/// The session looks at the parameter before each statement.
fn become_user(ctx: &mut Context<'_>, values: &[String], scope: Scope) -> Result<()> {
    let login = ctx
        .settings
        .value_at_login(SESSION_AUTHORIZATION)
        .to_string();
    let name = values.first().unwrap_or(&login);
    let catalog = ctx.transaction.catalog()?;
    let user = catalog.user_named(name).ok_or_else(|| {
        Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("user \"{name}\" does not exist"),
        )
    })?;
    let by = catalog.user_named(&login);
    if *name != login && !by.is_some_and(|by| catalog.is_superuser(by)) {
        return Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "permission denied to set session authorization",
        ));
    }
    let superuser = if catalog.is_superuser(user) {
        "on"
    } else {
        "off"
    };
    ctx.settings.fix(SESSION_AUTHORIZATION, name, scope);
    ctx.settings.fix("is_superuser", superuser, scope);
    Ok(())
}

/// Adds the name that was perhaps meant.
fn told_of_near(error: blueshift_sql::Error) -> Error {
    let near = error
        .message
        .split('"')
        .nth(1)
        .filter(|_| error.code == SqlState::UNDEFINED_OBJECT)
        .and_then(|name| nearest(name, PARAMETERS.iter().map(|parameter| parameter.name)));
    match near {
        Some(near) => error
            .with_hint(format!("Perhaps you meant \"{near}\"."))
            .into(),
        None => error.into(),
    }
}

/// Runs a RESET.
pub fn reset(ctx: &mut Context<'_>, reset: &Reset) -> Result<Body> {
    match &reset.name {
        Some(name) if name == SESSION_AUTHORIZATION => become_user(ctx, &[], Scope::Session)?,
        Some(name) => ctx.settings.reset(name).map_err(told_of_near)?,
        None => ctx.settings.reset_all(),
    }
    Ok(Body::done("RESET"))
}

/// Runs a SHOW. The queues are the server's, so they are looked up.
pub fn show(ctx: &mut Context<'_>, show: &Show) -> Result<Body> {
    let queues = ctx.server.wlm.config();
    ctx.settings.fix(PARAMETER, &queues.text, Scope::Session);
    match &show.name {
        Some(name) => {
            let value = ctx.settings.show(name).map_err(told_of_near)?.to_string();
            Body::text_rows("SHOW", &[name], &[vec![value]])
        }
        None => {
            let all = ctx.settings.all().into_iter();
            let rows: Vec<_> = all
                .map(|(name, value, about)| vec![name, value, about])
                .collect();
            Body::text_rows("SHOW", &["name", "setting", "description"], &rows)
        }
    }
}
