//! CANCEL: stops what another session runs.

use super::answer::Body;
use super::context::Context;
use crate::access::check;
use crate::catalog::{Catalog, User};
use crate::error::{Error, Result};
use crate::history::control::SessionControl;
use crate::history::{History, lock};
use blueshift_sql::SqlState;
use blueshift_sql::statement::session::Cancel;
use std::sync::Arc;

/// Runs a CANCEL. A session that runs nothing goes on as it was.
pub fn run(ctx: &mut Context<'_>, cancel: &Cancel) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    let control = find(&ctx.server.history, &catalog, ctx.user, cancel.pid)?.ok_or_else(|| {
        Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!(
                "Session {} does not exist. The session PID might have changed. Check the stl_restarted_sessions \
                 system table for details.",
                cancel.pid
            ),
        )
    })?;
    control.cancel(cancel.message.as_deref());
    let history = &ctx.server.history;
    history.stopped(cancel.pid, ctx.user.oid, false);
    Ok(Body::done("CANCEL"))
}

/// Finds what stops a session, which its own user and superusers may do; `None` if there is no such session.
pub fn find(
    history: &History,
    catalog: &Catalog,
    user: &User,
    pid: i64,
) -> Result<Option<Arc<SessionControl>>> {
    let sessions = lock(&history.sessions);
    let Some(session) = sessions
        .iter()
        .find(|session| i64::from(session.pid) == pid)
    else {
        return Ok(None);
    };
    if session.userid != user.oid {
        let what = "cancel queries or end sessions of other users";
        check::system(catalog, user, "CANCEL", what)?;
    }
    Ok(Some(session.control.clone()))
}
