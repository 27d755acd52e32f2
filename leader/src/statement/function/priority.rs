//! `change_query_priority`, `change_session_priority`, `change_user_priority`: who goes first in automatic queues.
//!
//! Superusers only, or a procedure of a superuser with SECURITY DEFINER. What is changed for sessions and users holds until
//! the server stops. Source: Redshift's guide, the pages of the three functions, whose answers these are.

use super::{Arg, SessionFunction, refuse, text};
use crate::statement::names::into_sql;
use crate::system::SystemContext;
use crate::wlm::config::Mode;
use crate::wlm::priority::Priority;
use arrow_schema::DataType;
use blueshift_sql::{Error, SqlState};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::collections::HashMap;
use std::sync::Arc;

type Change = fn(&SystemContext, &Arg, &str) -> Result<String>;

/// Adds all of this file. They are volatile: planning a query must not run them.
pub(super) fn add_all(ctx: &Arc<SystemContext>, functions: &mut HashMap<String, Arc<ScalarUDF>>) {
    let all: [(&'static str, Change); 3] = [
        ("change_query_priority", of_query),
        ("change_session_priority", of_session),
        ("change_user_priority", of_user),
    ];
    for (name, change) in all {
        let shared = ctx.clone();
        let function = SessionFunction {
            name,
            signature: Signature::any(2, Volatility::Volatile),
            returns: DataType::Utf8View,
            body: Arc::new(move |args| run(&shared, args, name, change)),
        };
        functions.insert(
            name.to_string(),
            Arc::new(ScalarUDF::new_from_impl(function)),
        );
    }
}

fn run(
    ctx: &SystemContext,
    args: &[Arg],
    name: &'static str,
    change: Change,
) -> Result<ScalarValue> {
    if !ctx.user.superuser {
        return Err(refuse(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("must be superuser to run {name}"),
        )));
    }
    let [target, Arg::Text(word)] = args else {
        return Ok(ScalarValue::Utf8View(None));
    };
    if *target == Arg::Null {
        return Ok(ScalarValue::Utf8View(None));
    }
    if ctx.server.wlm.config().mode == Mode::Manual {
        return Err(refuse(
            Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "manual queues have no priorities",
            )
            .with_hint("Priorities need automatic queues: SHOW wlm_json_configuration."),
        ));
    }
    Ok(text(change(ctx, target, word)?))
}

fn priority(word: &str) -> Result<Priority> {
    Priority::parse(word).ok_or_else(|| {
        refuse(
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("\"{word}\" is no priority"),
            )
            .with_hint("Available values: CRITICAL, HIGHEST, HIGH, NORMAL, LOW, LOWEST."),
        )
    })
}

fn invalid(what: &str) -> datafusion::error::DataFusionError {
    refuse(Error::new(SqlState::INVALID_PARAMETER_VALUE, what))
}

fn of_query(ctx: &SystemContext, target: &Arg, word: &str) -> Result<String> {
    let Arg::Int(query) = target else {
        return Err(invalid("change_query_priority needs the number of a query"));
    };
    let after = priority(word)?;
    let changed = ctx.server.wlm.change_query_priority(*query, after);
    let before = changed.map_err(|error| refuse(into_sql(error)))?;
    Ok(format!(
        "Succeeded to change query priority. Priority changed from {before} to {after}."
    ))
}

/// Tells what was changed: with what it was before only if it was changed before.
fn told(what: &str, before: Option<Priority>, after: Priority) -> String {
    let after = after.name().to_lowercase();
    match before {
        Some(before) => {
            let before = before.name().to_lowercase();
            format!("Changed {what} priority from {before} to {after}.")
        }
        None => format!("Changed {what} priority to {after}."),
    }
}

fn of_session(ctx: &SystemContext, target: &Arg, word: &str) -> Result<String> {
    let Arg::Int(pid) = target else {
        return Err(invalid(
            "change_session_priority needs the process id of a session",
        ));
    };
    let pid = match pid {
        -1 => ctx.pid,
        pid => i32::try_from(*pid).unwrap_or(-1),
    };
    let after = priority(word)?;
    let sessions = crate::history::lock(&ctx.server.history.sessions);
    let is_there = sessions.iter().any(|session| session.pid == pid);
    drop(sessions);
    if !is_there {
        return Err(refuse(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("there is no session with process id {pid}"),
        )));
    }
    let changed = ctx.server.wlm.change_session_priority(pid, after);
    let before = changed.map_err(|error| refuse(into_sql(error)))?;
    let what = told(&format!("session (pid:{pid})"), before, after);
    Ok(format!("Succeeded to change session priority. {what}"))
}

fn of_user(ctx: &SystemContext, target: &Arg, word: &str) -> Result<String> {
    let Arg::Text(name) = target else {
        return Err(invalid("change_user_priority needs the name of a user"));
    };
    let Some(user) = ctx.catalog.user_named(name) else {
        return Err(refuse(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("user \"{name}\" does not exist"),
        )));
    };
    let wlm = &ctx.server.wlm;
    if word.trim().eq_ignore_ascii_case("reset") {
        let changed = wlm.change_user_priority(user.oid, None);
        changed.map_err(|error| refuse(into_sql(error)))?;
        return Ok(format!("Succeeded to reset priority for user ({name})."));
    }
    let after = priority(word)?;
    let changed = wlm.change_user_priority(user.oid, Some(after));
    let before = changed.map_err(|error| refuse(into_sql(error)))?;
    let what = told(&format!("user ({name})"), before, after);
    Ok(format!("Succeeded to change user priority. {what}"))
}
