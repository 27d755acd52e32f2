//! ALTER SYSTEM: parameters of the whole server, kept in the catalog log, in effect at once.

use super::answer::{Body, Notice};
use super::context::Context;
use crate::error::{Error, Result};
use crate::wlm;
use crate::wlm::config::WlmConfig;
use blueshift_sql::SqlState;
use blueshift_sql::statement::system::AlterSystem;
use blueshift_storage::store::CatalogChange;
use std::sync::Arc;

/// Runs an ALTER SYSTEM. The one parameter there is is `wlm_json_configuration`.
pub async fn run(ctx: &mut Context<'_>, alter: &AlterSystem) -> Result<Body> {
    if !ctx.user.superuser {
        return Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "must be superuser to execute ALTER SYSTEM",
        ));
    }
    if ctx.transaction.is_explicit {
        return Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            "ALTER SYSTEM cannot run inside a transaction block",
        ));
    }
    if let Some(text) = &alter.value {
        let config = WlmConfig::parse(text)?;
        let notes = config.notes.into_iter().map(Notice::info);
        ctx.notices.extend(notes);
    }
    let value = alter.value.clone().map(serde_json::Value::String);
    ctx.transaction.change_catalog(CatalogChange {
        key: wlm::KEY.to_owned(),
        value,
    });
    let server = Arc::clone(ctx.server);
    ctx.transaction.after_commit(move || {
        server.wlm.configure(|| {
            let view = server.node.store.read_view();
            wlm::kept(view.catalog.get(wlm::KEY).map(|value| &**value))
        });
    });
    Ok(Body::done("ALTER SYSTEM"))
}
