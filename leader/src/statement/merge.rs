//! MERGE: an UPDATE or DELETE of matched rows and an INSERT of the others, both over the target as it was.

use super::answer::Body;
use super::context::Context;
use super::names::Right;
use super::{delete, insert, target, update};
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_sql::statement::grant::Privilege;
use blueshift_sql::statement::merge::{Matched, Merge};
use std::borrow::Cow;

/// Runs a MERGE.
pub async fn run(ctx: &mut Context<'_>, merge: &Merge) -> Result<Body> {
    let (_, table) = target::lock(
        ctx,
        &merge.target,
        Right::To(Privilege::Select),
        Mode::Change,
    )
    .await?;
    let mut insert = Cow::Borrowed(&merge.insert);
    if merge.removes_duplicates {
        // So that a source with fewer columns is refused, where an INSERT would fill up the row.
        let columns = table.columns.iter();
        insert.to_mut().columns = columns.map(|column| column.name.clone()).collect();
    }
    // Written first and added last: the change of matched rows does not see them.
    let (written, _) = insert::write(ctx, &insert).await?;
    let changed = match &merge.matched {
        Matched::Update(change) => update::change(ctx, change).await,
        Matched::Delete(change) => delete::change(ctx, change).await,
    };
    match changed {
        Ok(_) => {
            ctx.transaction.add_row_groups(written.row_groups);
            Ok(Body::done("MERGE"))
        }
        Err(error) => {
            let store = &ctx.server.node.store;
            store.discard(&written.row_groups, &[]);
            Err(error)
        }
    }
}
