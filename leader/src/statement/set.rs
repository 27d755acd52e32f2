//! SET, RESET, SHOW: the session's parameters.

use super::answer::Body;
use super::context::Context;
use crate::error::Result;
use blueshift_sql::statement::session::{Reset, Set, Show};

/// Runs a SET. SET LOCAL goes back at the end of the transaction; outside a block that is at once, so it warns.
pub fn set(ctx: &mut Context<'_>, set: &Set) -> Result<Body> {
    if set.local && !ctx.transaction.is_explicit {
        ctx.notices.push(super::answer::Notice::warning(
            blueshift_sql::SqlState::NO_ACTIVE_SQL_TRANSACTION,
            "SET LOCAL can only be used in transaction blocks",
        ));
        return Ok(Body::done("SET"));
    }
    let (name, _) = ctx.settings.set(&set.name, &set.values)?;
    if set.local {
        ctx.settings.mark_local(&name);
    }
    Ok(Body::done("SET"))
}

/// Runs a RESET.
pub fn reset(ctx: &mut Context<'_>, reset: &Reset) -> Result<Body> {
    match &reset.name {
        Some(name) => {
            ctx.settings.reset(name)?;
        }
        None => {
            ctx.settings.reset_all();
        }
    }
    Ok(Body::done("RESET"))
}

/// Runs a SHOW.
pub fn show(ctx: &mut Context<'_>, show: &Show) -> Result<Body> {
    match &show.name {
        Some(name) => {
            let value = ctx.settings.show(name)?.to_string();
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
