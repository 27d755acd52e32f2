//! Aggregates over a table of a live database are computed there, where they mean the same: few rows come instead of many.
//!
//! After the other logical rules, when conditions have come down to the scan: one that stays above it keeps the aggregate
//! here.

use blueshift_compute::external::postgres::{RemoteScan, aggregated};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use std::any::Any;
use std::sync::Arc;

/// Hands down the aggregates of a plan.
pub fn push(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Aggregate(aggregate) = &node else {
            return Ok(Transformed::no(node));
        };
        Ok(match pushed(aggregate)? {
            Some(plan) => Transformed::yes(plan),
            None => Transformed::no(node),
        })
    })
    .data()
}

fn pushed(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let mut groups = aggregate.group_expr.clone();
    let mut computed = aggregate.aggr_expr.clone();
    let scan = match under(&aggregate.input, &mut groups, &mut computed)? {
        Some(scan) if scan.fetch.is_none() => scan,
        _ => return Ok(None),
    };
    let Ok(provider) = source_as_provider(&scan.source) else {
        return Ok(None);
    };
    let provider: &dyn Any = provider.as_ref();
    let Some(remote) = provider.downcast_ref::<RemoteScan>() else {
        return Ok(None);
    };
    let schema = &aggregate.schema;
    let Some(made) = aggregated(remote, &scan.filters, &groups, &computed, schema) else {
        return Ok(None);
    };
    let columns = made.columns.into_iter().zip(schema.iter());
    let columns = columns
        .map(|(column, (relation, field))| column.alias_qualified(relation.cloned(), field.name()));
    let source = provider_as_source(Arc::new(made.scan));
    let plan = LogicalPlanBuilder::scan(scan.table_name.clone(), source, None)?;
    plan.project(columns.collect::<Vec<Expr>>())?
        .build()
        .map(Some)
}

/// Finds the scan under an aggregate, and makes the expressions name its columns.
fn under<'a>(
    plan: &'a LogicalPlan,
    groups: &mut [Expr],
    computed: &mut [Expr],
) -> Result<Option<&'a TableScan>> {
    let mut plan = plan;
    loop {
        let inner: Vec<Expr> = match plan {
            LogicalPlan::TableScan(scan) => return Ok(Some(scan)),
            LogicalPlan::SubqueryAlias(alias) => {
                let columns = alias.input.schema().columns().into_iter();
                columns.map(Expr::Column).collect()
            }
            LogicalPlan::Projection(projection) => projection
                .expr
                .iter()
                .map(|expr| expr.clone().unalias())
                .collect(),
            _ => return Ok(None),
        };
        for expr in groups.iter_mut().chain(computed.iter_mut()) {
            let named = std::mem::take(expr);
            *expr = named
                .transform_up(|part| {
                    let Expr::Column(column) = &part else {
                        return Ok(Transformed::no(part));
                    };
                    let place = plan.schema().maybe_index_of_column(column);
                    Ok(match place.and_then(|place| inner.get(place)) {
                        Some(found) => Transformed::yes(found.clone()),
                        None => Transformed::no(part),
                    })
                })
                .data()?;
        }
        plan = match plan {
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Projection(projection) => &projection.input,
            _ => return Ok(None),
        };
    }
}
