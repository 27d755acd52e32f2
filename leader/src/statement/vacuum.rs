//! VACUUM: sorts tables and gives back the room of deleted rows, while others read and write them.
//!
//! It works in transactions of its own, one per slice, so what was done stays done when it is stopped or killed, and
//! the next VACUUM goes on with the rest. The new row groups take the place of the old ones under the table's change
//! lock: an UPDATE or DELETE waits for that moment, never for the work. With BOOST, and for tables so large that the
//! new place of every row cannot be remembered, it waits for all of it.

use super::answer::{Body, Notice};
use super::context::Context;
use super::names::Right;
use crate::access::check;
use crate::catalog::name::Relation;
use crate::catalog::{Table, TableDistribution, TableSort};
use crate::error::{Error, Result};
use crate::history::vacuum::{VacuumEvent, VacuumTurn};
use crate::history::{History, now_us};
use crate::server::{Server, TEMP_SCHEMA_PREFIX};
use crate::transaction::Transaction;
use crate::transaction::lock::Mode as LockMode;
use crate::wlm::admission::Seat;
use blueshift_compute::maintain::figures::Figures;
use blueshift_compute::maintain::vacuum::{self as work, Mode, Plan, Priority};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::vacuum::{Vacuum, VacuumKind};
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::table::merge::{MergeOptions, MergePlan};
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The share of sorted and of live rows that is good enough if no threshold is named, as documented.
pub(crate) const THRESHOLD_PERCENT: u8 = 95;

/// How long a VACUUM waits for a background one to stop: so often, so long.
const TURN_WAITS_MAX: u32 = 500;
const TURN_WAIT: Duration = Duration::from_millis(20);

/// Runs a VACUUM.
pub async fn run(ctx: &mut Context<'_>, vacuum: &Vacuum) -> Result<Body> {
    if ctx.transaction.is_explicit {
        return Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            "VACUUM cannot run inside a transaction block",
        ));
    }
    let tables = own_tables(ctx, vacuum.table.as_ref(), "VACUUM")?;
    if vacuum.kind == VacuumKind::Recluster {
        tables.iter().try_for_each(|table| can_recluster(table))?;
    }
    // What the tables were when they were looked up must not keep old row groups alive.
    ctx.transaction.forget_view();
    let boost = vacuum.boost || ctx.settings.get("enable_vacuum_boost") == Some("true");
    let request = Request {
        server: ctx.server,
        userid: ctx.user.oid,
        pid: ctx.pid,
        mode: mode(vacuum.kind),
        threshold: vacuum.threshold_percent.unwrap_or(THRESHOLD_PERCENT),
        // Giving back room has no use for more memory, and the manual has BOOST ignored.
        boost: boost && vacuum.kind != VacuumKind::DeleteOnly,
        is_background: false,
        seat: ctx.plans.ticket().map(|ticket| Arc::clone(ticket.seat())),
    };
    ctx.plans.admit_work().await?;
    for table in &tables {
        match vacuum_table(&request, table).await {
            // Dropped or truncated meanwhile: nothing is left to do.
            Err(Error::Compute(blueshift_compute::Error::Storage(
                blueshift_storage::Error::Conflict { .. },
            ))) => {}
            outcome => outcome?,
        }
    }
    ctx.last.query_id = Some(ctx.query);
    Ok(Body::done("VACUUM"))
}

/// Refuses tables whose unsorted rows cannot be sorted apart from the others.
fn can_recluster(table: &Table) -> Result<()> {
    let why = match (&table.sort, &table.distribution) {
        (TableSort::Interleaved(_), _) => "an interleaved sort key",
        (_, TableDistribution::All) => "DISTSTYLE ALL",
        _ => return Ok(()),
    };
    let text = format!(
        "VACUUM RECLUSTER is not supported for table \"{}\" with {why}",
        table.name
    );
    let error = blueshift_sql::Error::new(SqlState::FEATURE_NOT_SUPPORTED, text);
    Err(error.with_hint("use VACUUM FULL or VACUUM REINDEX").into())
}

/// What was asked, and by whom.
pub(crate) struct Request<'a> {
    /// The server.
    pub(crate) server: &'a Arc<Server>,
    /// Who asks.
    pub(crate) userid: u32,
    /// Their session.
    pub(crate) pid: i32,
    /// What to do.
    pub(crate) mode: Mode,
    /// How much is good enough.
    pub(crate) threshold: u8,
    /// More memory, and deletes wait.
    pub(crate) boost: bool,
    /// Nobody asked: it waits while statements run, and leaves alone what deletes would have to wait for.
    pub(crate) is_background: bool,
    /// The session's place in the queues, which it gives back before it waits for a lock.
    pub(crate) seat: Option<Arc<Seat>>,
}

fn mode(kind: VacuumKind) -> Mode {
    match kind {
        VacuumKind::Full => Mode::Full,
        VacuumKind::SortOnly => Mode::SortOnly,
        VacuumKind::DeleteOnly => Mode::DeleteOnly,
        VacuumKind::Reindex => Mode::Reindex,
        VacuumKind::Recluster => Mode::Recluster,
    }
}

/// Finds the tables that a VACUUM or ANALYZE is to work on: the one that is named, or all. Those of others are passed
/// over, with a warning if one was named.
pub(super) fn own_tables(
    ctx: &mut Context<'_>,
    name: Option<&ObjectName>,
    statement: &'static str,
) -> Result<Vec<Arc<Table>>> {
    let catalog = ctx.transaction.catalog()?;
    let is_own = |table: &Arc<Table>| {
        let relation = Relation::Table(Arc::clone(table));
        check::owner_or(&catalog, ctx.user, &relation, None, statement).is_ok()
    };
    if let Some(name) = name {
        let table = ctx.names()?.table_to_change(name, &Right::None)?;
        if is_own(&table) {
            return Ok(vec![table]);
        }
        let (name, verb) = (&table.name, statement.to_lowercase());
        let text = format!("skipping \"{name}\" --- only table or database owner can {verb} it");
        ctx.notices
            .push(Notice::warning(SqlState::SUCCESSFUL_COMPLETION, text));
        return Ok(Vec::new());
    }
    let is_foreign_temporary = |table: &Table| {
        let schema = catalog.schemas.get(&table.schema);
        let is_temporary = schema.is_none_or(|schema| schema.name.starts_with(TEMP_SCHEMA_PREFIX));
        is_temporary && Some(table.schema) != *ctx.temp_schema
    };
    let tables = catalog.tables.values();
    let own = tables.filter(|table| !is_foreign_temporary(table) && is_own(table));
    let mut own: Vec<Arc<Table>> = own.cloned().collect();
    own.sort_by_key(|table| table.oid);
    Ok(own)
}

/// Vacuums one table. `Conflict` if it is gone.
pub(crate) async fn vacuum_table(request: &Request<'_>, table: &Arc<Table>) -> Result<()> {
    let server = request.server;
    let turn = turn(request, table).await?;
    let transactions = &server.transactions;
    let mut holder = transactions.begin(request.pid, false);
    holder.seat.clone_from(&request.seat);
    if request.boost {
        holder.lock_table(table.oid, LockMode::Change).await?;
    }
    work::fold(&server.node, table.id()).await?;
    let (version, plan) = planned(request, table)?;
    let log = Log {
        history: &server.history,
        userid: request.userid,
        xid: holder.xid,
        table,
        merges: plan.merges.len(),
        is_recluster: request.mode == Mode::Recluster,
        is_background: request.is_background,
    };
    if plan.is_skipped {
        log.event(&plan.status, &version);
        return Ok(());
    }
    let deletes_wait = request.boost || plan.rows_at_once() > work::ROWS_REMEMBERED_MAX;
    if deletes_wait && request.is_background {
        return Ok(());
    }
    let (version, plan) = match deletes_wait && !request.boost {
        true => {
            holder.lock_table(table.oid, LockMode::Change).await?;
            planned(request, table)?
        }
        false => (version, plan),
    };
    log.event(&plan.status, &version);
    let sorts = plan.status.starts_with("Started Delete");
    turn.enter(if sorts { "delete" } else { "sort" }, plan.rows());
    let task = SliceWork {
        request,
        table,
        turn: &turn,
        version: &version,
        options: work::options(&server.node, request.boost, deletes_wait),
    };
    // Merges of one slice build on each other's places in the list, so they go one by one.
    let mut by_slice: Vec<Vec<MergePlan>> = Vec::new();
    for merge in plan.merges {
        let same = |merges: &&mut Vec<MergePlan>| {
            merges
                .first()
                .is_some_and(|first| first.slice == merge.slice)
        };
        match by_slice.iter_mut().find(same) {
            Some(merges) => merges.push(merge),
            None => by_slice.push(vec![merge]),
        }
    }
    let slices = futures::stream::iter(by_slice.into_iter().map(|merges| task.run(merges)));
    let at_once = work::merges_at_once(&server.node);
    let at_once = if request.is_background { 1 } else { at_once };
    let all = slices.buffer_unordered(at_once).try_collect::<Vec<()>>();
    match request.is_background {
        true => tokio::select! {
            done = all => done?,
            never = step_aside(&server.history, &turn) => match never {},
        },
        false => all.await?,
    };
    let after = server.node.store.table(table.id())?;
    let statistics = &server.history.statistics;
    statistics.vacuumed(table.oid, &version, &after);
    keep_statistics(server, table.oid).await;
    log.event("Finished", &after);
    drop(holder);
    Ok(())
}

/// Keeps what is known of a table. The vacuum is done whether or not that works.
async fn keep_statistics(server: &Arc<Server>, table: u32) {
    let keeper = Arc::clone(server);
    let kept = tokio::task::spawn_blocking(move || keeper.keep_statistics(table)).await;
    if let Err(error) = kept.map_err(Error::internal).flatten() {
        tracing::warn!(table_id = table, %error, "could not keep the statistics of a table");
    }
}

/// Takes the turn of a table. A background vacuum is told to stop and waited for; another is not.
async fn turn(request: &Request<'_>, table: &Table) -> Result<VacuumTurn> {
    let history = &request.server.history;
    let take = || VacuumTurn::take(history, table.oid, &table.name, request.is_background);
    for _ in 0..TURN_WAITS_MAX {
        if let Some(turn) = take() {
            return Ok(turn);
        }
        if request.is_background || !VacuumTurn::is_background(history, table.oid) {
            break;
        }
        tokio::time::sleep(TURN_WAIT).await;
    }
    take().ok_or_else(|| is_running(&table.name))
}

/// Lets a vacuum wait whenever statements run.
async fn step_aside(history: &History, turn: &VacuumTurn) -> std::convert::Infallible {
    let pause = &turn.progress.pause;
    loop {
        history.until_busy(true).await;
        pause.store(true, Ordering::Relaxed);
        history.until_busy(false).await;
        pause.store(false, Ordering::Relaxed);
    }
}

/// Looks at the table as it is now.
fn planned(request: &Request<'_>, table: &Table) -> Result<(Arc<TableVersion>, Plan)> {
    let version = request.server.node.store.table(table.id());
    let version = version.map_err(|_| {
        let table = table.id().0;
        blueshift_compute::Error::Storage(blueshift_storage::Error::Conflict { table })
    })?;
    let plan = work::plan(&version, request.mode, request.threshold);
    Ok((version, plan))
}

/// The refusal while another vacuum works on the table.
fn is_running(table: &str) -> Error {
    blueshift_sql::Error::new(SqlState::OBJECT_IN_USE, "VACUUM is running")
        .with_detail(format!("Another VACUUM works on table \"{table}\"."))
        .with_hint("re-execute after other vacuum finished")
        .into()
}

/// The work on one slice after the other.
struct SliceWork<'a> {
    request: &'a Request<'a>,
    table: &'a Table,
    turn: &'a VacuumTurn,
    version: &'a Arc<TableVersion>,
    options: MergeOptions,
}

impl SliceWork<'_> {
    async fn run(&self, merges: Vec<MergePlan>) -> Result<()> {
        let server = self.request.server;
        for merge in merges {
            let progress = self.turn.progress.clone();
            let options = self.options.clone();
            let priority = match self.request.is_background {
                true => Priority::Background,
                false => Priority::Asked,
            };
            let (node, version) = (&server.node, self.version);
            let merged = work::run(node, version, merge, options, priority, progress).await?;
            let gate: Transaction = {
                let mut gate = server.transactions.begin(self.request.pid, false);
                gate.seat.clone_from(&self.request.seat);
                if self.options.deletes_may_come {
                    // Whoever deletes now is done first; whoever comes later sees the new row groups.
                    gate.lock_table(self.table.oid, LockMode::Change).await?;
                }
                gate
            };
            work::publish(&server.node, merged).await?;
            drop(gate);
        }
        Ok(())
    }
}

/// Writes STL_VACUUM.
struct Log<'a> {
    history: &'a History,
    userid: u32,
    xid: i64,
    table: &'a Table,
    merges: usize,
    is_recluster: bool,
    is_background: bool,
}

impl Log<'_> {
    fn event(&self, status: &str, version: &TableVersion) {
        let figures = Figures::of(version);
        let status = match self.is_background {
            true => format!("[VacuumBG] {status}"),
            false => status.to_owned(),
        };
        tracing::info!(
            table_id = self.table.oid,
            rows = figures.rows,
            %status,
            "vacuum"
        );
        self.history.vacuum(VacuumEvent {
            userid: self.userid,
            xid: self.xid,
            table: self.table.oid,
            name: self.table.name.clone(),
            status,
            figures,
            merges: self.merges,
            is_recluster: self.is_recluster,
            eventtime_us: now_us(),
        });
    }
}
