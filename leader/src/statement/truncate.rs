//! TRUNCATE: ends all rows of a table without looking at them, and commits the transaction it is in.

use super::answer::Body;
use super::context::Context;
use super::materialized_view::state;
use super::names::Right;
use super::target;
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::grant::Privilege;

/// Runs a TRUNCATE. The transaction ends with this statement, also inside a block.
pub async fn run(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Body> {
    let right = Right::OwnerOr(Some(Privilege::Truncate), "TRUNCATE TABLE");
    let (_, table) = target::lock(ctx, name, right, Mode::Exclusive).await?;
    state::rows_replaced(ctx, &table, "TRUNCATE")?;
    ctx.transaction.truncate_table(table.id());
    ctx.transaction.is_explicit = false;
    Ok(Body::done("TRUNCATE TABLE"))
}
