//! LOCK: nobody else reads or changes the tables until the transaction ends.
//!
//! It takes no read view, so a transaction that begins with LOCK sees what those before it have committed. Outside a
//! block the transaction ends with the statement, which then only waits for those who use the tables.

use super::answer::Body;
use super::context::Context;
use super::names::Right;
use super::target;
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::grant::Privilege;

/// Runs a LOCK, table by table in the order they are named.
pub async fn run(ctx: &mut Context<'_>, names: &[ObjectName]) -> Result<Body> {
    for name in names {
        let right = Right::ToAny(&[Privilege::Update, Privilege::Delete, Privilege::Truncate]);
        target::lock(ctx, name, right, Mode::AccessExclusive).await?;
    }
    Ok(Body::done("LOCK TABLE"))
}
