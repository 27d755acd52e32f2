//! Background jobs: tables are vacuumed and analyzed, and materialized views refreshed, by themselves while nobody runs a statement.
//!
//! Every interval each table is looked at: what a plain VACUUM or ANALYZE would pass over is passed over here too. A
//! vacuum that has begun waits whenever a statement runs, and ends when somebody asks for one of the same table. Before
//! it SORTKEY AUTO may choose a key, see [`sort_key`]. What was done is in STL_VACUUM (`[VacuumBG]`) and STL_ANALYZE (`is_background`).

pub mod history;
mod sort_key;

use crate::catalog::matview::STATE_COLUMN_DROPPED;
use crate::catalog::{Catalog, Table};
use crate::error::{Error, Result};
use crate::history::analyze::AnalyzeEvent;
use crate::server::{Server, TEMP_SCHEMA_PREFIX};
use crate::statement::analyze::{automatic, learn_values};
use crate::statement::materialized_view::refresh;
use crate::statement::vacuum::{Request, THRESHOLD_PERCENT, vacuum_table};
use blueshift_compute::maintain::analyze::gather;
use blueshift_compute::maintain::vacuum::{Mode, plan};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The user of the server's own work, as Redshift numbers it (`rdsdb`).
const SERVER_USER: u32 = 1;
/// The session of the server's own work: there is none.
const SERVER_PID: i32 = 0;
/// The share of changed rows from which a table is analyzed: the default of `analyze_threshold_percent`.
const CHANGED_PERCENT: f64 = 10.0;

/// What is done in the background.
#[derive(Clone, Copy, Debug)]
pub struct MaintenanceOptions {
    /// Vacuum.
    pub vacuum: bool,
    /// Analyze.
    pub analyze: bool,
    /// Between looks at what is due.
    pub interval: Duration,
}

/// Looks after tables until told to stop.
pub async fn run(server: Arc<Server>, options: MaintenanceOptions, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(options.interval) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = Box::pin(round(&server, options)) => {}
        }
    }
}

/// Looks at each table once.
async fn round(server: &Arc<Server>, options: MaintenanceOptions) {
    let catalog = match server.transactions.committed_catalog() {
        Ok(catalog) => catalog,
        Err(error) => {
            tracing::warn!(%error, "background maintenance could not read the catalog");
            return;
        }
    };
    let mut tables: Vec<&Arc<Table>> = catalog.tables.values().collect();
    tables.retain(|table| {
        let schema = catalog.schemas.get(&table.schema);
        schema.is_some_and(|schema| !schema.name.starts_with(TEMP_SCHEMA_PREFIX))
    });
    tables.sort_by_key(|table| table.oid);
    let statistics = &server.history.statistics;
    statistics.retain(|table| catalog.tables.contains_key(&table));
    if !statistics.unkept().is_empty() {
        keep_new_statistics(server).await;
    }
    for table in tables {
        server.history.until_busy(false).await;
        if options.vacuum {
            tell(table, "sort key", sort_key::choose(server, table).await);
            tell(table, "vacuum", vacuum(server, table).await);
        }
        if let Some(view) = table.view {
            let rows = catalog.materialized.get(&view);
            let is_due = rows.is_some_and(|rows| {
                rows.auto_refresh
                    && rows.state < STATE_COLUMN_DROPPED
                    && rows.is_stale(&server.node.store.read_view())
            });
            if is_due {
                tell(table, "refresh", refresh::in_background(server, view).await);
            }
        }
        if options.analyze {
            tell(table, "analyze", analyze(server, &catalog, table).await);
        }
    }
}

/// Keeps what was learned, where blocking is allowed.
async fn keep_new_statistics(server: &Arc<Server>) {
    let keeper = Arc::clone(server);
    if let Err(error) = tokio::task::spawn_blocking(move || keeper.keep_new_statistics()).await {
        tracing::warn!(%error, "could not keep statistics");
    }
}

/// Tells of a failure. A table that is dropped, altered or vacuumed by somebody meanwhile is none.
fn tell(table: &Table, job: &str, outcome: Result<()>) {
    use blueshift_storage::Error as Storage;
    match outcome {
        Ok(()) => {}
        Err(Error::Compute(
            blueshift_compute::Error::Canceled
            | blueshift_compute::Error::Storage(Storage::Conflict { .. } | Storage::Canceled),
        )) => {
            tracing::debug!(table_id = table.oid, job, "background job gave way");
        }
        Err(error) => {
            tracing::warn!(table_id = table.oid, job, %error, "background job failed");
        }
    }
}

async fn vacuum(server: &Arc<Server>, table: &Arc<Table>) -> Result<()> {
    let Ok(version) = server.node.store.table(table.id()) else {
        return Ok(());
    };
    if plan(&version, Mode::Full, THRESHOLD_PERCENT).is_skipped {
        return Ok(());
    }
    drop(version);
    let request = Request {
        server,
        userid: SERVER_USER,
        pid: SERVER_PID,
        mode: Mode::Full,
        threshold: THRESHOLD_PERCENT,
        boost: false,
        is_background: true,
        seat: None,
    };
    vacuum_table(&request, table).await
}

async fn analyze(server: &Arc<Server>, catalog: &Catalog, table: &Arc<Table>) -> Result<()> {
    let Ok(version) = server.node.store.table(table.id()) else {
        return Ok(());
    };
    let is_current = match server.history.statistics.last_analyze(table.oid) {
        Some(last) => last.percent_off(&version) < CHANGED_PERCENT,
        None => version.row_count() == 0,
    };
    if is_current {
        return Ok(());
    }
    let event = AnalyzeEvent {
        userid: SERVER_USER,
        xid: server.transactions.begin(SERVER_PID, false).xid,
        threshold_percent: CHANGED_PERCENT,
        is_background: true,
        ..automatic(server, catalog, table)
    };
    // Ready for the next plan, at no cost to it.
    gather(&server.node, &version, (0..table.columns.len()).collect()).await?;
    let all = (0..table.columns.len()).collect();
    let learned = learn_values(server, &version, table, all).await?;
    server.history.statistics.learn_values(table.oid, learned);
    server.history.analyze_automatically(event, &version);
    keep_new_statistics(server).await;
    Ok(())
}
