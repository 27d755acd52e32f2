//! REFRESH MATERIALIZED VIEW: by what changed in its tables since the last refresh where that is known and enough,
//! else as a whole. New rows and the mark of what they show are one commit.

use super::definition::{Definition, Groups, Shape};
use super::{cast_to, find};
use crate::access::check;
use crate::catalog::cache::put_materialized;
use crate::catalog::matview::{
    Base, MaterializedRows, STATE_COLUMN_DROPPED, STATE_INCREMENTAL, STATE_RECOMPUTED,
};
use crate::catalog::name::Relation;
use crate::catalog::{Oid, Table, View};
use crate::error::{Error, Result};
use crate::history::matview::{RefreshEvent, RefreshStatus};
use crate::history::now_us;
use crate::server::Server;
use crate::settings::Settings;
use crate::statement::answer::{Body, Notice};
use crate::statement::context::{Context, LastStatements};
use crate::statement::names::SessionNames;
use crate::statement::{analyze, target};
use crate::system::Asked;
use crate::transaction::lock::{Lockable, Mode};
use crate::transaction::read::TableReads;
use blueshift_sql::SqlState;
use blueshift_sql::statement::materialized_view::RefreshMaterializedView;
use blueshift_storage::TableId;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::table::delta::{Delta, Mark};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::datasource::provider_as_source;
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, cast, col, lit,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Runs a REFRESH MATERIALIZED VIEW.
pub async fn run(ctx: &mut Context<'_>, refresh: &RefreshMaterializedView) -> Result<Body> {
    let view = find(ctx, &refresh.name)?;
    let catalog = ctx.transaction.catalog()?;
    check::owner(&catalog, ctx.user, &Relation::View(view.clone()))?;
    one(ctx, view.oid, false).await?;
    if refresh.cascade {
        // Each was made after those it reads, so the order of oids is that of dependence.
        for dependent in catalog.dependents(view.oid) {
            if dependent.rows_table().is_some() {
                check::owner(&catalog, ctx.user, &Relation::View(dependent.clone()))?;
                one(ctx, dependent.oid, false).await?;
            }
        }
    }
    ctx.last.query_id = Some(ctx.query);
    Ok(Body::done("REFRESH"))
}

/// Refreshes a view of AUTO REFRESH YES, as its owner, in a transaction of its own.
pub async fn in_background(server: &Arc<Server>, oid: Oid) -> Result<()> {
    let catalog = server.transactions.committed_catalog()?;
    let owner = catalog.views.get(&oid).map(|view| view.owner);
    let Some(user) = owner.and_then(|owner| catalog.users.get(&owner)).cloned() else {
        return Ok(());
    };
    let schema = catalog.views.get(&oid).map(|view| view.schema);
    let schema = schema.and_then(|schema| catalog.schemas.get(&schema));
    let Some(connected) = schema.and_then(|schema| catalog.databases.get(&schema.database)) else {
        return Ok(());
    };
    let mut used = None;
    let mut transaction = server.transactions.begin_in(connected.oid, 0, false);
    let reads = TableReads::of(&server.transactions, transaction.xid);
    let (mut settings, mut last) = (Settings::default(), LastStatements::default());
    let (mut prepared, mut cursor, mut temp_schema) = (HashMap::new(), None, None);
    let mut ctx = Context {
        server,
        user: &user,
        pid: 0,
        connected,
        used: &mut used,
        query: server.history.next_query(),
        transaction: &mut transaction,
        settings: &mut settings,
        asked: Asked::default(),
        reads: Arc::new(reads),
        plans: Arc::default(),
        prepared: &mut prepared,
        cursor: &mut cursor,
        last: &mut last,
        temp_schema: &mut temp_schema,
        parameters: &[],
        notices: Vec::new(),
    };
    one(&mut ctx, oid, true).await?;
    transaction.commit().await
}

/// Refreshes one view, and tells and records how.
async fn one(ctx: &mut Context<'_>, oid: Oid, is_automatic: bool) -> Result<()> {
    let starttime_us = now_us();
    let known = ctx.transaction.catalog()?.views.get(&oid).cloned();
    let outcome = Box::pin(bring_up_to_date(ctx, oid)).await;
    let Some(view) = known else {
        return outcome.map(drop);
    };
    let catalog = ctx.transaction.catalog()?;
    let schema = catalog.schemas.get(&view.schema);
    let event = |status| RefreshEvent {
        userid: ctx.user.oid,
        owner: view.owner,
        database: catalog.database_name().to_owned(),
        schema: schema.map_or_else(String::new, |schema| schema.name.clone()),
        name: view.name.clone(),
        xid: ctx.transaction.xid,
        starttime_us,
        endtime_us: now_us(),
        status,
        is_automatic,
    };
    let server = Arc::clone(ctx.server);
    match outcome {
        Ok(status) => {
            let event = event(status);
            let name = &view.name;
            let text = match status {
                RefreshStatus::Incremental => {
                    format!("Materialized view {name} was incrementally updated successfully.")
                }
                RefreshStatus::Current if is_over_stale(ctx, oid)? => format!(
                    "Materialized view {name} is already up to date.  However, it depends on another materialized view that is not up to date."
                ),
                RefreshStatus::Current => {
                    format!("Materialized view {name} is already up to date.")
                }
                RefreshStatus::Recomputed | RefreshStatus::Failed => {
                    format!("Materialized view {name} was recomputed successfully.")
                }
            };
            ctx.notices.push(Notice::info(text));
            ctx.transaction
                .after_commit(move || server.history.note_refresh(event));
            Ok(())
        }
        Err(error) => {
            server.history.note_refresh(event(RefreshStatus::Failed));
            Err(error)
        }
    }
}

/// Tells whether a materialized view below this one shows less than its tables hold.
fn is_over_stale(ctx: &mut Context<'_>, oid: Oid) -> Result<bool> {
    let (catalog, view) = (ctx.transaction.catalog()?, ctx.transaction.view()?);
    let mut wanted = vec![oid];
    while let Some(next) = wanted.pop() {
        let Some(above) = catalog.views.get(&next) else {
            continue;
        };
        for below in &above.depends_on {
            if let Some(rows) = catalog.materialized.get(below) {
                if rows.is_stale(&view) {
                    return Ok(true);
                }
                wanted.push(*below);
            }
        }
    }
    Ok(false)
}

fn conflict(ctx: &Context<'_>, table: Oid) -> Error {
    ctx.transaction.conflict(table)
}

/// What a refresh works on.
struct Work {
    view: Arc<View>,
    table: Arc<Table>,
    rows: Arc<MaterializedRows>,
}

async fn lock(ctx: &mut Context<'_>, oid: Oid) -> Result<Work> {
    ctx.transaction
        .lock(Lockable::Relation(oid), Mode::Exclusive)
        .await?;
    let work = |ctx: &mut Context<'_>| -> Result<Work> {
        let catalog = ctx.transaction.catalog()?;
        let view = catalog.views.get(&oid).cloned();
        let rows = catalog.materialized.get(&oid).cloned();
        let table = view.as_ref().and_then(|view| view.rows_table());
        let table = table.and_then(|table| catalog.tables.get(&table).cloned());
        match (view, table, rows) {
            (Some(view), Some(table), Some(rows)) => Ok(Work { view, table, rows }),
            // Dropped while we waited.
            _ => Err(conflict(ctx, oid)),
        }
    };
    let table = work(ctx)?.table.oid;
    ctx.transaction.lock_table(table, Mode::Exclusive).await?;
    let found = work(ctx)?;
    let committed = ctx.transaction.committed_catalog()?;
    let newest = committed.materialized.get(&oid);
    // A block that began before another refresh committed would build on what is no longer there.
    let is_own = ctx.transaction.changes(oid);
    match is_own || newest.is_none_or(|newest| **newest == *found.rows) {
        true => Ok(found),
        false => Err(conflict(ctx, table)),
    }
}

async fn bring_up_to_date(ctx: &mut Context<'_>, oid: Oid) -> Result<RefreshStatus> {
    let work = lock(ctx, oid).await?;
    let names = ctx.names()?;
    if work.rows.state >= STATE_COLUMN_DROPPED {
        return Err(unrefreshable(&work.view));
    }
    let is_changed_here = |ctx: &Context<'_>| {
        let mut bases = work.rows.bases.iter();
        bases.any(|base| ctx.transaction.has_rows_of(TableId(base.table.into())))
    };
    let is_own = is_changed_here(ctx);
    if !is_own && !work.rows.is_stale(&names.system.view) {
        return Ok(RefreshStatus::Current);
    }
    names.ensure_may_keep(&work.view)?;
    let bound = names.bind_definition(&work.view)?;
    let definition = Definition::of(bound)?;
    let is_whole = work.rows.is_whole(&names.system.view);
    let is_incremental = work.rows.state == STATE_INCREMENTAL && !is_own && is_whole;
    let status = match is_incremental && incremental(ctx, &names, &work, &definition).await? {
        true => RefreshStatus::Incremental,
        false => {
            whole(ctx, &work.table, &definition).await?;
            RefreshStatus::Recomputed
        }
    };
    let mut rows = marked(ctx, &names, &definition, &work.view)?;
    rows.count = ctx.transaction.view()?.table(work.table.id())?.row_count();
    rows.auto_refresh = work.rows.auto_refresh;
    rows.is_rewritable = work.rows.is_rewritable;
    ctx.transaction.change_catalog(put_materialized(&rows)?);
    analyze::after_load(ctx, &work.table).await?;
    Ok(status)
}

fn unrefreshable(view: &View) -> Error {
    blueshift_sql::Error::new(
        SqlState::INVALID_TABLE_DEFINITION,
        format!(
            "materialized view \"{}\" cannot be refreshed: a column it needs was dropped",
            view.name
        ),
    )
    .with_hint("Drop the materialized view and create it again.")
    .into()
}

/// Makes the entry of rows just computed from what `names` sees.
pub(super) fn marked(
    ctx: &Context<'_>,
    names: &SessionNames,
    definition: &Definition,
    view: &View,
) -> Result<MaterializedRows> {
    let mut bases = Vec::new();
    for table in definition.tables()? {
        let id = TableId(u64::from(table));
        // Row groups of a transaction that has not committed may still grow together with others.
        let is_own = ctx.transaction.has_rows_of(id);
        let version = names.system.view.tables.get(&id).filter(|_| !is_own);
        let mark = version.map(|version| Mark::of(version));
        bases.push(Base { table, mark });
    }
    let state = match definition.shape {
        Shape::Whole(_) => STATE_RECOMPUTED,
        Shape::Rows | Shape::Groups(_) => STATE_INCREMENTAL,
    };
    Ok(MaterializedRows {
        oid: view.oid,
        auto_refresh: false,
        state,
        is_rewritable: false,
        xid: ctx.transaction.xid,
        table: view.rows_table().unwrap_or_default(),
        count: 0,
        bases,
    })
}

/// Computes all rows and puts them in the place of those that are there.
pub(super) async fn whole(
    ctx: &mut Context<'_>,
    table: &Arc<Table>,
    definition: &Definition,
) -> Result<()> {
    let names = ctx.names()?;
    let rows = definition.all(&names.state)?;
    replace(ctx, &names, table, rows).await
}

async fn write(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Arc<Table>,
    rows: LogicalPlan,
) -> Result<Vec<blueshift_storage::row_group::RowGroupRecord>> {
    let plan = ctx.plan(&names.state, cast_to(table, rows)?).await?;
    let given = vec![true; table.columns.len()];
    let target = target::write_target(ctx, table, &given, None)?;
    let task = ctx.task(&names.state);
    let written = blueshift_compute::write::insert(&ctx.server.node, &target, plan, task).await?;
    Ok(written.row_groups)
}

async fn replace(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Arc<Table>,
    rows: LogicalPlan,
) -> Result<()> {
    let written = write(ctx, names, table, rows).await?;
    // Only now: the old rows may have been read until here.
    ctx.transaction.truncate_table(table.id());
    ctx.transaction.add_row_groups(written);
    Ok(())
}

/// What came to the query's rows and what went, as plans; a part without rows is not there.
struct Changes {
    came: Vec<LogicalPlan>,
    went: Vec<LogicalPlan>,
}

/// Brings the rows up to date by what changed. `false` if that cannot be told, and then nothing was done.
async fn incremental(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    work: &Work,
    definition: &Definition,
) -> Result<bool> {
    let Some(changes) = changes(names, work, definition)? else {
        return Ok(false);
    };
    match &definition.shape {
        Shape::Whole(_) => Ok(false),
        Shape::Rows => change_rows(ctx, names, &work.table, changes).await,
        Shape::Groups(groups) => change_groups(ctx, names, &work.table, groups, changes).await,
    }
}

/// Takes the tables of a join one after the other: what changed in one is joined with the new rows of those before it
/// and the old rows of those after it. All of that together is the change of the join.
fn changes(names: &SessionNames, work: &Work, definition: &Definition) -> Result<Option<Changes>> {
    let mut deltas: HashMap<Oid, (Arc<TableVersion>, Delta)> = HashMap::new();
    for base in &work.rows.bases {
        let now = names
            .system
            .view
            .tables
            .get(&TableId(u64::from(base.table)));
        let (Some(mark), Some(now)) = (&base.mark, now) else {
            return Ok(None);
        };
        let Some(delta) = mark.since(now) else {
            return Ok(None);
        };
        deltas.insert(base.table, (now.clone(), delta));
    }
    let parts = definition.scans.iter().map(|table| deltas.get(table));
    let Some(parts) = parts.collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let mut changes = Changes {
        came: Vec::new(),
        went: Vec::new(),
    };
    for (changed, (_, delta)) in parts.iter().enumerate() {
        for (rows, list) in [
            (&delta.added, &mut changes.came),
            (&delta.removed, &mut changes.went),
        ] {
            if rows.row_count() == 0 {
                continue;
            }
            let version = |place: usize| match (parts.get(place), place.cmp(&changed)) {
                (Some((now, _)), std::cmp::Ordering::Less) => now.clone(),
                (Some((_, delta)), std::cmp::Ordering::Greater) => delta.before.clone(),
                _ => rows.clone(),
            };
            list.push(definition.rows_of(version)?);
        }
    }
    Ok(Some(changes))
}

fn union(plans: Vec<LogicalPlan>) -> Result<Option<LogicalPlan>> {
    let mut plans = plans.into_iter();
    let Some(first) = plans.next() else {
        return Ok(None);
    };
    let all = plans.try_fold(LogicalPlanBuilder::from(first), LogicalPlanBuilder::union)?;
    Ok(Some(all.build()?))
}

async fn change_rows(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Arc<Table>,
    changes: Changes,
) -> Result<bool> {
    let typed = |plans: Vec<LogicalPlan>| -> Result<Option<LogicalPlan>> {
        let plans = plans.into_iter().map(|plan| cast_to(table, plan));
        union(plans.collect::<Result<Vec<_>>>()?)
    };
    if let Some(came) = typed(changes.came)? {
        let written = write(ctx, names, table, came).await?;
        ctx.transaction.add_row_groups(written);
    }
    match typed(changes.went)? {
        Some(went) => take_out(ctx, table, went).await,
        None => Ok(true),
    }
}

/// Deletes one stored row for each row of `went`. Which of several equal ones does not matter. `false`, with nothing
/// deleted, if not every one was found.
async fn take_out(ctx: &mut Context<'_>, table: &Arc<Table>, went: LogicalPlan) -> Result<bool> {
    const NUMBER: &str = "_number";
    const COUNT: &str = "_count";
    // As of after the rows that came: some of them may be among those that went.
    let names = ctx.names()?;
    let stored = names.stored_table(table, true)?;
    let version = stored.version.clone();
    let wanted = count_rows(ctx, &names, &went).await?;
    let count = names.state.aggregate_functions().get("count").cloned();
    let count = count.ok_or_else(|| Error::internal("there is no aggregate function count"))?;
    let columns = |relation: &str| -> Vec<Column> {
        let columns = table.columns.iter();
        columns
            .map(|column| Column::new(Some(relation), column.name.as_str()))
            .collect()
    };
    let exprs = |relation: &str| columns(relation).into_iter().map(Expr::Column);
    let went = LogicalPlanBuilder::from(went).alias("went")?;
    let went = went
        .aggregate(
            exprs("went").collect::<Vec<_>>(),
            vec![count.call(vec![lit(1_i64)]).alias(COUNT)],
        )?
        .alias("went")?
        .build()?;
    let number = row_number().partition_by(exprs("kept").collect()).build()?;
    let own_name = number.schema_name().to_string();
    let row_id = Column::new(Some("kept"), blueshift_sql::binder::ROW_ID);
    let numbered = exprs("kept").chain([
        Expr::Column(row_id.clone()),
        Expr::Column(Column::new_unqualified(own_name)).alias(NUMBER),
    ]);
    let numbered: Vec<_> = numbered.collect();
    let kept = LogicalPlanBuilder::scan("kept", provider_as_source(Arc::new(stored)), None)?
        .window(vec![number])?
        .project(numbered)?
        .alias("kept")?;
    let doomed = kept
        .join_detailed(
            went,
            JoinType::Inner,
            (columns("kept"), columns("went")),
            None,
            NullEquality::NullEqualsNull,
        )?
        .filter(
            cast(col(Column::new(Some("kept"), NUMBER)), DataType::Int64)
                .lt_eq(col(Column::new(Some("went"), COUNT))),
        )?
        .project(vec![Expr::Column(row_id)])?
        .build()?;
    let plan = ctx.plan(&names.state, doomed).await?;
    let task = ctx.task(&names.state);
    let node = &ctx.server.node;
    let (masks, rows) = blueshift_compute::write::delete(node, &version, plan, task, false).await?;
    if rows != wanted {
        node.store.discard(&[], &masks);
        return Ok(false);
    }
    ctx.transaction.add_masks(masks)?;
    Ok(true)
}

async fn count_rows(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    rows: &LogicalPlan,
) -> Result<u64> {
    let count = names.state.aggregate_functions().get("count").cloned();
    let count = count.ok_or_else(|| Error::internal("there is no aggregate function count"))?;
    let counted = LogicalPlanBuilder::from(rows.clone())
        .aggregate(Vec::<Expr>::new(), vec![count.call(vec![lit(1_i64)])])?
        .build()?;
    let plan = ctx.plan(&names.state, counted).await?;
    let batches = datafusion::physical_plan::collect(plan, ctx.task(&names.state)).await?;
    let counts = batches.iter().flat_map(|batch| {
        let column = batch.columns().first();
        let values = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
        values
            .map(|values| values.iter().flatten().collect::<Vec<_>>())
            .unwrap_or_default()
    });
    Ok(u64::try_from(counts.sum::<i64>()).unwrap_or_default())
}

async fn change_groups(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Arc<Table>,
    groups: &Groups,
    changes: Changes,
) -> Result<bool> {
    if !changes.went.is_empty() && !groups.can_subtract()? {
        return Ok(false);
    }
    if changes.came.is_empty() && changes.went.is_empty() {
        return Ok(true);
    }
    let stored = provider_as_source(Arc::new(names.stored_table(table, false)?));
    let stored = LogicalPlanBuilder::scan("kept", stored, None)?.build()?;
    let kept = groups.kept(stored)?;
    let types: Vec<_> = kept
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    let mut parts = vec![kept];
    for rows in changes.came {
        parts.push(groups.partials(&names.state, rows)?);
    }
    for rows in changes.went {
        parts.push(groups.negated(groups.partials(&names.state, rows)?)?);
    }
    let merged = groups.merged(&names.state, parts, &types)?;
    let merged = groups.without_empty(merged)?;
    replace(ctx, names, table, groups.finished(merged)?).await?;
    Ok(true)
}
