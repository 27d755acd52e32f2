//! Logical -> physical: the engine's session state, our optimizer rules, EXPLAIN.
//!
//! The README of this crate tells how a plan is made, under "How a plan is made".

pub mod constant;
pub mod context;
pub mod estimate;
pub mod explain;
mod features;
mod leader_only;
pub mod log;
pub mod options;
pub mod plan_cache;
pub mod predicate_use;
pub mod result_cache;
pub mod rule;
pub mod run;
mod sort_based;

#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::history::History;
use blueshift_compute::external::ExternalTable;
use blueshift_compute::external::postgres::RemoteScan;
use blueshift_compute::scan::{StoredTable, choose_scan_modes};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::functions_aggregate::min_max::min_udaf;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use log::PlanLog;
use plan_cache::{Asked, PlanCache};
use std::any::Any;
use std::sync::Arc;

/// Optimizes a bound plan and makes it physical, with join order by cost and uncorrelated scalar subqueries run
/// first (`InitPlan`: they are executed here, checked for at most one row, and become constants).
pub async fn plan(state: &SessionState, bound: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(constant) = constant::plan(state, &bound)? {
        return Ok(constant);
    }
    let cache = state.config().get_extension::<PlanCache>();
    let asked = cache.and_then(|cache| Some((Asked::of(state, &bound)?, cache)));
    let plans = state.config().get_extension::<PlanLog>();
    if let Some((asked, cache)) = &asked
        && let Some((physical, predicates)) = cache.get(asked, state.config_options())
    {
        if let Some(history) = state.config().get_extension::<History>() {
            history.statistics.note_predicates(predicates);
        }
        return note(physical, plans.as_deref());
    }
    let optimized = logical(state, bound).await?;
    let stop = plans.as_ref().map(|plans| plans.stop());
    rule::stoppable::ensure_running(stop)?;
    let physical = state
        .query_planner()
        .create_physical_plan(&optimized, state)
        .await?;
    let physical = rule::colocated_subset_join::gather_keys(physical)?;
    let physical = match options::options_of(state.config_options()).free_scans {
        true => choose_scan_modes(physical)?,
        false => physical,
    };
    if let Some((asked, cache)) = asked {
        cache.learn(asked, (&physical, state.config_options()), || {
            predicate_use::predicate_columns(&optimized)
        });
    }
    let physical = rule::giving_way::give_way(physical, stop)?;
    // Last: places that read the same rows hold on to the plan that makes them, as it is then.
    let physical = rule::shared_plan::unite(physical)?;
    note(physical, plans.as_deref())
}

/// Notes a plan where others see it run.
fn note(
    physical: Arc<dyn ExecutionPlan>,
    plans: Option<&PlanLog>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(plans) = plans {
        plans.note_memory(&physical);
        plans.add(&physical);
    }
    Ok(physical)
}

/// Does the logical half of [`plan`].
pub(crate) async fn logical(state: &SessionState, bound: LogicalPlan) -> Result<LogicalPlan> {
    let config = state.config_options();
    let switches = options::options_of(config);
    let bound = rule::slice_number::settle(bound)?;
    // Before subqueries are told to give one row: a lookup in the catalog gives one by its key.
    let bound = rule::catalog_lookup::join_lookups(bound)?;
    let bound = rule::subquery_value::settle(bound)?;
    let bound = rule::array_subquery::settle(bound)?;
    leader_only::check(&bound, config)?;
    sort_based::check(&bound, config)?;
    let bound = blueshift_sql::binder::settle_blanks(
        bound,
        &may_be_padded,
        min_udaf(),
        first_value_udaf(),
    )?;
    // Types first: a subquery is replaced by a literal of exactly its own type.
    let analyzed = state
        .analyzer()
        .execute_and_check(bound, config, |_, _| {})?;
    let analyzed = rule::microseconds::settle(analyzed)?;
    let ready = if switches.init_plan {
        Box::pin(rule::init_plan::run_subqueries(state, analyzed)).await?
    } else {
        analyzed
    };
    let plans = state.config().get_extension::<PlanLog>();
    let optimized = match plans.as_ref().map(|plans| plans.stop()) {
        Some(stop) => {
            rule::stoppable::optimizer(state.optimizer(), stop).optimize(ready, state, |_, _| {})?
        }
        None => state.optimizer().optimize(ready, state, |_, _| {})?,
    };
    if let Some(history) = state.config().get_extension::<History>() {
        let statistics = &history.statistics;
        statistics.note_predicates(predicate_use::predicate_columns(&optimized));
    }
    learn(&optimized, state).await?;
    let optimized = rule::remote_aggregate::push(optimized)?;
    let ordered = rule::join_order::reorder(optimized, state)?;
    let ordered = rule::rounding_cast::hide(ordered)?;
    Ok(rule::shared_plan::mark(ordered, state)?)
}

/// Lets external tables look into the files that a query can need: how many rows they have decides the order of joins.
async fn learn(plan: &LogicalPlan, state: &SessionState) -> Result<()> {
    let mut outside = Vec::new();
    plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::TableScan(scan) = plan
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            let any: &dyn Any = provider.as_ref();
            if any.is::<ExternalTable>() {
                outside.push((provider, scan.filters.clone()));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let looks = outside
        .into_iter()
        .map(|(table, filters)| look(table, filters, state));
    futures::future::join_all(looks).await;
    Ok(())
}

async fn look(table: Arc<dyn TableProvider>, filters: Vec<Expr>, state: &SessionState) {
    let any: &dyn Any = table.as_ref();
    if let Some(table) = any.downcast_ref::<ExternalTable>() {
        table.learn(state, &filters).await;
    }
}

/// Tells whether a column of a table may hold texts that end with a blank. Catalog tables compare as PostgreSQL does:
/// there blanks count.
fn may_be_padded(scan: &TableScan, column: usize) -> bool {
    let Ok(provider) = source_as_provider(&scan.source) else {
        return true;
    };
    let provider: &dyn Any = provider.as_ref();
    match provider.downcast_ref::<StoredTable>() {
        Some(table) => table.may_be_padded(column),
        None => match provider.downcast_ref::<RemoteScan>() {
            Some(table) => table.may_be_padded(column),
            None => provider.is::<ExternalTable>(),
        },
    }
}
