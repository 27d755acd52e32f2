//! What is done to a table changes how the materialized views over it are refreshed: told in STL_MV_STATE.

use crate::catalog::matview::{MaterializedRows, STATE_INCREMENTAL};
use crate::catalog::{Catalog, Oid, Table};
use crate::error::Result;
use crate::history::matview::StateChange;
use crate::history::now_us;
use crate::statement::context::Context;
use std::sync::Arc;

/// Tells that the rows of a table are all others now, so that the views over it that followed its changes are
/// computed anew at their next refresh.
pub(in crate::statement) fn rows_replaced(
    ctx: &mut Context<'_>,
    table: &Table,
    event: &str,
) -> Result<()> {
    let is_over = |rows: &MaterializedRows| {
        let mut bases = rows.bases.iter();
        rows.state == STATE_INCREMENTAL && bases.any(|base| base.table == table.oid)
    };
    note(ctx, table, (event, "Recompute"), is_over)
}

/// Tells that some of the views over a table cannot be refreshed again.
pub(in crate::statement) fn unrefreshable(
    ctx: &mut Context<'_>,
    table: &Table,
    event: &str,
    views: &[Oid],
) -> Result<()> {
    let is_lost = |rows: &MaterializedRows| views.contains(&rows.oid);
    note(ctx, table, (event, "Unrefreshable"), is_lost)
}

/// Records an event and the state it leads to for each view that it is about, once the transaction has committed.
fn note(
    ctx: &mut Context<'_>,
    table: &Table,
    (event, state): (&str, &str),
    is_about: impl Fn(&MaterializedRows) -> bool,
) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    let schema_name = |catalog: &Catalog, oid| {
        let schema = catalog.schemas.get(&oid);
        schema.map_or_else(String::new, |schema| schema.name.clone())
    };
    let changed = catalog.materialized.values().filter(|rows| is_about(rows));
    let changes: Vec<StateChange> = changed
        .filter_map(|rows| catalog.views.get(&rows.oid))
        .map(|view| StateChange {
            userid: ctx.user.oid,
            starttime_us: now_us(),
            xid: ctx.transaction.xid,
            event: event.to_owned(),
            database: catalog.database_name().to_owned(),
            base_schema: schema_name(&catalog, table.schema),
            base_table: table.name.clone(),
            schema: schema_name(&catalog, view.schema),
            name: view.name.clone(),
            state: state.to_owned(),
        })
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    let history = Arc::clone(&ctx.server.history);
    ctx.transaction.after_commit(move || {
        for change in changes {
            history.note_state_change(change);
        }
    });
    Ok(())
}
