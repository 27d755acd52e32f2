//! TRUNCATE: ends all rows of a table without looking at them, and commits the transaction it is in.

use super::answer::Body;
use super::context::Context;
use super::target;
use crate::access::check;
use crate::catalog::name::Relation;
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_sql::statement::ObjectName;

/// Runs a TRUNCATE. The transaction ends with this statement, also inside a block.
pub async fn run(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Body> {
    let (_, table) = target::lock(ctx, name, Mode::Exclusive).await?;
    check::owner(ctx.user, &Relation::Table(table.clone()))?;
    ctx.transaction.truncate_table(table.id());
    ctx.transaction.is_explicit = false;
    Ok(Body::done("TRUNCATE TABLE"))
}
