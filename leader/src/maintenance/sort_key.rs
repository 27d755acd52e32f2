//! SORTKEY AUTO: a table gets the sort key that queries would have made most of.
//!
//! The column that queries compared with constants most often becomes the key of a table that has rows worth skipping.
//! Only the catalog changes here: the rows are then unsorted, and the background vacuum sorts them. A key once chosen
//! stays until ALTER TABLE names another, or none.

use super::SERVER_PID;
use crate::catalog::cache::put_table;
use crate::catalog::layout::table_layout;
use crate::catalog::{Table, TableSort};
use crate::error::Result;
use crate::server::Server;
use crate::transaction::lock::Mode;
use blueshift_sql::SqlType;
use std::sync::Arc;
use std::time::Duration;

/// Rows from which a key is worth having: eight zones, of which a narrow range reads one.
const ROWS_MIN: u64 = 64 << 10;

/// Queries that must have asked for a column.
const QUERIES_MIN: u64 = 20;

/// How long to wait for writers: those that come later wait behind.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// Chooses the key of one table, if it is to be chosen and there is reason to.
pub(super) async fn choose(server: &Arc<Server>, table: &Arc<Table>) -> Result<()> {
    let Some(column) = wanted(server, table) else {
        return Ok(());
    };
    let mut transaction = server.transactions.begin(SERVER_PID, false);
    transaction.lock_timeout = Some(LOCK_WAIT);
    // Writers sort by the key that was when they began.
    if transaction
        .lock_table(table.oid, Mode::Exclusive)
        .await
        .is_err()
    {
        // Somebody writes, or the table is gone: another time.
        return Ok(());
    }
    let catalog = transaction.catalog()?;
    let now = catalog.tables.get(&table.oid);
    let Some(now) = now.filter(|now| now.stores_like(table)) else {
        return Ok(());
    };
    let after = Table {
        sort: TableSort::AutoCompound(vec![column]),
        ..Table::clone(now)
    };
    transaction.change_layout(after.id(), table_layout(&after)?);
    transaction.change_catalog(put_table(&after)?);
    transaction.commit().await?;
    let history = &server.history;
    history.changed_table(table.oid, "sortkey", "SORTKEY: AUTO".to_owned());
    tracing::info!(table_id = table.oid, column, "sort key chosen");
    Ok(())
}

/// Finds the column that queries asked for most.
fn wanted(server: &Server, table: &Table) -> Option<usize> {
    if table.sort != TableSort::Auto {
        return None;
    }
    let version = server.node.store.table(table.id()).ok()?;
    if version.row_count() < ROWS_MIN {
        return None;
    }
    let columns = table.columns.iter().enumerate();
    let columns = columns.filter(|(_, column)| can_be_key(column.ty));
    let counts = columns.map(|(index, column)| {
        let count = server.history.statistics.filtered_by(table.oid, column.id);
        // Of equals the first.
        (count, std::cmp::Reverse(index))
    });
    let (count, std::cmp::Reverse(index)) = counts.max()?;
    (count >= QUERIES_MIN).then_some(index)
}

fn can_be_key(ty: SqlType) -> bool {
    !matches!(
        ty,
        SqlType::Super | SqlType::HllSketch | SqlType::Varbyte(_)
    )
}
