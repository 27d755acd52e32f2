//! ALTER DATABASE ... ISOLATION LEVEL.
//!
//! Transactions of both levels at the same time would give the promise of neither, so nobody else may be connected.
//! Redshift does not let `dev` be altered; here it is the one database there is, so it may.

use super::answer::Body;
use super::context::Context;
use crate::catalog::cache::put_database;
use crate::catalog::{DATABASE_OID, Database, IsolationLevel};
use crate::error::{Error, Result};
use crate::history::lock;
use crate::settings::Scope;
use blueshift_sql::SqlState;
use blueshift_sql::statement::database::AlterDatabase;
use std::time::Duration;

/// How long others who are about to leave are waited for, as PostgreSQL does.
const OTHERS_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether they have left.
const OTHERS_WAIT_STEP: Duration = Duration::from_millis(20);

/// Runs an ALTER DATABASE.
pub async fn run(ctx: &mut Context<'_>, alter: &AlterDatabase) -> Result<Body> {
    if alter.name != ctx.server.database {
        return Err(Error::new(
            SqlState::INVALID_CATALOG_NAME,
            format!("database \"{}\" does not exist", alter.name),
        ));
    }
    if !ctx.user.superuser && !ctx.user.create_database {
        return Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("must be owner of database {}", alter.name),
        ));
    }
    if ctx.transaction.is_explicit {
        return Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            "ALTER DATABASE ... ISOLATION LEVEL cannot run inside a transaction block",
        ));
    }
    wait_for_others(ctx, &alter.name).await?;
    let isolation = match alter.serializable {
        true => IsolationLevel::Serializable,
        false => IsolationLevel::Snapshot,
    };
    ctx.transaction.change_catalog(put_database(&Database {
        oid: DATABASE_OID,
        isolation,
    })?);
    let transactions = ctx.server.transactions.clone();
    ctx.transaction
        .after_commit(move || transactions.set_isolation(isolation));
    ctx.settings
        .fix("transaction_isolation", isolation.word(), Scope::Session);
    Ok(Body::done("ALTER DATABASE"))
}

async fn wait_for_others(ctx: &Context<'_>, database: &str) -> Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        let sessions = lock(&ctx.server.history.sessions).len();
        let others = sessions.saturating_sub(1);
        if others == 0 {
            return Ok(());
        }
        if waited >= OTHERS_WAIT_MAX {
            return Err(blueshift_sql::Error::new(
                SqlState::OBJECT_IN_USE,
                format!("database \"{database}\" is being accessed by other users"),
            )
            .with_detail(format!("Sessions besides this one: {others}."))
            .with_hint("STV_SESSIONS lists them; PG_TERMINATE_BACKEND ends one.")
            .into());
        }
        tokio::time::sleep(OTHERS_WAIT_STEP).await;
        waited += OTHERS_WAIT_STEP;
    }
}
