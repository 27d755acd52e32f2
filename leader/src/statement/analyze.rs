//! ANALYZE: makes what is known of columns ready for the planner, and remembers what the table was like.
//!
//! Every write leaves a sketch of each column beside its rows, of all of them and not of a sample. ANALYZE merges
//! these, so that the next plan finds them at hand. A table that changed little since is skipped, as documented.

use super::answer::{Body, Notice};
use super::context::Context;
use super::vacuum::own_tables;
use crate::catalog::{Catalog, Table, TableDistribution, TableSort};
use crate::error::{Error, Result};
use crate::history::analyze::AnalyzeEvent;
use crate::history::now_us;
use crate::history::statistics::{Analyzed, KnownColumn};
use crate::planner::estimate::numbers_of;
use crate::server::Server;
use blueshift_compute::maintain::analyze::{Image, gather, learn};
use blueshift_compute::scan::ColumnValues;
use blueshift_sql::SqlState;
use blueshift_sql::statement::analyze::Analyze;
use blueshift_storage::store::version::TableVersion;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs an ANALYZE.
pub async fn run(ctx: &mut Context<'_>, analyze: &Analyze) -> Result<Body> {
    let tables = own_tables(ctx, analyze.table.as_ref(), "ANALYZE")?;
    let mut is_skipped = analyze.table.is_some() && !tables.is_empty();
    ctx.plans.admit_work().await?;
    for table in &tables {
        is_skipped &= !analyze_table(ctx, analyze, table).await?;
    }
    // As documented, the tag tells that the named table was skipped.
    Ok(Body::done(if is_skipped {
        "ANALYZE SKIP"
    } else {
        "ANALYZE"
    }))
}

/// Analyzes one table; tells whether it did, or skipped it.
async fn analyze_table(
    ctx: &mut Context<'_>,
    analyze: &Analyze,
    table: &Arc<Table>,
) -> Result<bool> {
    let history = ctx.server.history.clone();
    let known = history.statistics.columns_of(table.oid);
    let predicate_columns = predicate_columns(table, &known);
    let columns = columns(table, analyze, &predicate_columns)?;
    let is_partial = columns.len() < table.columns.len();
    let view = ctx.transaction.view()?;
    let version = view.table(table.id())?;
    let rows = version.row_count();
    let last = history.statistics.last_analyze(table.oid);
    let modified = match &last {
        Some(last) => last.image.rows_changed(version),
        None => rows,
    };
    let threshold = ctx.settings.get("analyze_threshold_percent");
    let threshold: f64 = threshold
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let percent = modified as f64 / rows.max(1) as f64 * 100.0;
    // A column nobody ever looked at is looked at, whatever changed.
    let was_analyzed = |index: &usize| {
        let column = table.columns.get(*index).map(|column| column.id);
        let known = column.and_then(|id| known.get(&id));
        known.is_some_and(|known| known.analyzed_us.is_some())
    };
    let is_skipped = last.is_some() && percent < threshold && columns.iter().all(was_analyzed);
    let catalog = ctx.transaction.catalog()?;
    let schema_name = catalog.schemas.get(&table.schema);
    let schema_name = schema_name.map_or_else(String::new, |schema| schema.name.clone());
    let starttime_us = now_us();
    let mut learned = Vec::new();
    if !is_skipped {
        if analyze.verbose {
            let name = &table.name;
            let text = format!("analyzing \"{schema_name}.{name}\"");
            ctx.notices.push(Notice::info(text));
        }
        let count = columns.len();
        let gathered = gather(&ctx.server.node, version, columns.clone()).await?;
        learned = learn_values(ctx.server, version, table, columns).await?;
        if analyze.verbose {
            let distinct = gathered.iter().map(|column| column.distinct).max();
            ctx.notices.push(Notice::info(format!(
                "\"{}\": {rows} rows, {count} columns, at most {} distinct values",
                table.name,
                distinct.unwrap_or_default()
            )));
        }
    }
    let event = AnalyzeEvent {
        userid: ctx.user.oid,
        xid: ctx.transaction.xid,
        table: table.oid,
        schema_name,
        name: table.name.clone(),
        status: match (is_skipped, analyze.predicate_columns && is_partial) {
            (true, _) => "Skipped".into(),
            (false, true) => "PredicateColumn".into(),
            (false, false) => "Full".into(),
        },
        rows,
        modified_rows: modified,
        threshold_percent: threshold,
        predicate_columns: predicate_columns.len(),
        new_predicate_columns: new_predicate_columns(&known),
        starttime_us,
        endtime_us: now_us(),
        prevtime_us: last.map(|last| last.at_us),
        is_auto: false,
        is_background: false,
    };
    let analyzed = (!is_skipped).then(|| Analyzed {
        image: Image::of(version),
        rows,
        at_us: event.endtime_us,
    });
    let server = Arc::clone(ctx.server);
    // Rows of a transaction that is rolled back were not there.
    ctx.transaction.after_commit_try(move || {
        let oid = event.table;
        history.statistics.learn_values(oid, learned);
        history.analyze(event, analyzed);
        server.keep_statistics(oid)
    });
    Ok(!is_skipped)
}

/// Analyzes a table that a statement filled, once that has committed: the sketches of all columns came with the rows,
/// how the values are spread is learned from a sample.
pub(super) async fn after_load(ctx: &mut Context<'_>, table: &Arc<Table>) -> Result<()> {
    let event = automatic(ctx.server, ctx.transaction.catalog()?.as_ref(), table);
    let event = AnalyzeEvent {
        userid: ctx.user.oid,
        xid: ctx.transaction.xid,
        ..event
    };
    let view = ctx.transaction.view()?;
    let all = (0..table.columns.len()).collect();
    let learned = learn_values(ctx.server, view.table(table.id())?, table, all).await?;
    let (server, id) = (Arc::clone(ctx.server), table.id());
    ctx.transaction.after_commit_try(move || {
        // Dropped meanwhile: nothing is left to know of it.
        let Ok(version) = server.node.store.table(id) else {
            return Ok(());
        };
        let oid = event.table;
        server.history.statistics.learn_values(oid, learned);
        server.history.analyze_automatically(event, &version);
        server.keep_statistics(oid)
    });
    Ok(())
}

/// Learns how the values of columns (by index) are spread, for the planner; gives it by column id.
pub(crate) async fn learn_values(
    server: &Server,
    version: &Arc<TableVersion>,
    table: &Table,
    columns: Vec<usize>,
) -> Result<Vec<(u32, Option<ColumnValues>)>> {
    let ids = columns.iter().filter_map(|index| table.columns.get(*index));
    let ids: Vec<u32> = ids.map(|column| column.id).collect();
    let learned = learn(&server.node, version, columns, numbers_of).await?;
    Ok(ids.into_iter().zip(learned).collect())
}

/// Begins the record of an ANALYZE that nobody asked for.
pub(crate) fn automatic(server: &Server, catalog: &Catalog, table: &Table) -> AnalyzeEvent {
    let known = server.history.statistics.columns_of(table.oid);
    let schema = catalog.schemas.get(&table.schema);
    AnalyzeEvent {
        table: table.oid,
        schema_name: schema.map_or_else(String::new, |schema| schema.name.clone()),
        name: table.name.clone(),
        predicate_columns: predicate_columns(table, &known).len(),
        new_predicate_columns: new_predicate_columns(&known),
        starttime_us: now_us(),
        ..AnalyzeEvent::default()
    }
}

/// Finds the columns to analyze, by index.
fn columns(table: &Table, analyze: &Analyze, predicate_columns: &[usize]) -> Result<Vec<usize>> {
    if analyze.predicate_columns && !predicate_columns.is_empty() {
        return Ok(predicate_columns.to_vec());
    }
    if analyze.columns.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let find = |wanted: &String| {
        let mut columns = table.columns.iter();
        let place = columns.position(|column| column.name == *wanted);
        place.ok_or_else(|| {
            let name = &table.name;
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{wanted}\" of relation \"{name}\" does not exist"),
            )
        })
    };
    analyze.columns.iter().map(find).collect()
}

/// Counts the columns that queries began to ask by since they were last analyzed.
fn new_predicate_columns(known: &BTreeMap<u32, KnownColumn>) -> usize {
    let is_new = |column: &&KnownColumn| {
        let first = column.first_predicate_us;
        first.is_some_and(|first| column.analyzed_us.is_none_or(|analyzed| analyzed < first))
    };
    known.values().filter(is_new).count()
}

/// Gives the columns that queries ask by, and those of distribution and sort key, which the manual always counts as
/// predicate columns.
fn predicate_columns(table: &Table, known: &BTreeMap<u32, KnownColumn>) -> Vec<usize> {
    let mut columns = match &table.sort {
        TableSort::Compound(key) | TableSort::Interleaved(key) | TableSort::AutoCompound(key) => {
            key.clone()
        }
        TableSort::None | TableSort::Auto => Vec::new(),
    };
    if let TableDistribution::Key(column) = table.distribution {
        columns.push(column);
    }
    let is_used = |id: u32| {
        let known = known.get(&id);
        known.is_some_and(|known| known.first_predicate_us.is_some())
    };
    let used = table.columns.iter().enumerate();
    columns.extend(used.filter_map(|(index, column)| is_used(column.id).then_some(index)));
    columns.sort_unstable();
    columns.dedup();
    columns
}
