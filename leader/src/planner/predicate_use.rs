//! Which stored columns a query asks by: those in conditions, join keys and GROUP BY. ANALYZE PREDICATE COLUMNS looks
//! at these.
//!
//! A column of a plan may be computed from several stored ones; each of them counts.

use blueshift_compute::scan::StoredTable;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, TableScan};
use std::any::Any;
use std::collections::{BTreeSet, HashSet};

/// Stored columns, by table and column id.
pub type StoredColumns = BTreeSet<(u32, u32)>;

/// Finds the stored columns an optimized plan asks by.
pub fn predicate_columns(plan: &LogicalPlan) -> StoredColumns {
    let mut used = StoredColumns::new();
    origins(plan, &mut used);
    used
}

/// Gives for each output column of a plan the stored columns it comes from; adds those asked by to `used`.
fn origins(plan: &LogicalPlan, used: &mut StoredColumns) -> Vec<StoredColumns> {
    let found = match plan {
        LogicalPlan::TableScan(scan) => of_scan(scan, used),
        LogicalPlan::Filter(filter) => {
            let input = origins(&filter.input, used);
            used.extend(of_expr(&filter.predicate, filter.input.schema(), &input));
            input
        }
        LogicalPlan::Projection(projection) => {
            let input = origins(&projection.input, used);
            of_exprs(&projection.expr, projection.input.schema(), &input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = origins(&aggregate.input, used);
            let keys = of_exprs(&aggregate.group_expr, aggregate.input.schema(), &input);
            used.extend(keys.iter().flatten());
            keys
        }
        LogicalPlan::Distinct(distinct) => {
            let input = origins(distinct.input(), used);
            used.extend(input.iter().flatten());
            input
        }
        LogicalPlan::Join(join) => of_join(join, used),
        LogicalPlan::Union(union) => {
            let mut merged: Vec<StoredColumns> = Vec::new();
            for input in &union.inputs {
                let input = origins(input, used);
                merged.resize(merged.len().max(input.len()), StoredColumns::new());
                for (all, one) in merged.iter_mut().zip(input) {
                    all.extend(one);
                }
            }
            merged
        }
        other => {
            let inputs = other.inputs();
            let mut inputs = inputs.into_iter().map(|input| origins(input, used));
            let first = inputs.next().unwrap_or_default();
            // Those after the first are walked for what they ask by.
            match inputs.count() {
                0 => first,
                _ => Vec::new(),
            }
        }
    };
    fitted(found, plan)
}

/// Makes the number of columns equal to the plan's, for operators that add some.
fn fitted(mut found: Vec<StoredColumns>, plan: &LogicalPlan) -> Vec<StoredColumns> {
    found.resize(plan.schema().fields().len(), StoredColumns::new());
    found
}

fn of_scan(scan: &TableScan, used: &mut StoredColumns) -> Vec<StoredColumns> {
    let Ok(provider) = source_as_provider(&scan.source) else {
        return Vec::new();
    };
    let any: &dyn Any = provider.as_ref();
    let Some(stored) = any.downcast_ref::<StoredTable>() else {
        return Vec::new();
    };
    let Ok(table) = u32::try_from(stored.version.id.0) else {
        return Vec::new();
    };
    let columns = stored.version.layout.columns.iter();
    let all: Vec<StoredColumns> = columns
        .map(|column| StoredColumns::from([(table, column.id)]))
        .collect();
    let mut asked: HashSet<&Column> = HashSet::new();
    for filter in &scan.filters {
        asked.extend(filter.column_refs());
    }
    for column in asked {
        if let Ok(index) = stored.schema.index_of(&column.name) {
            used.extend(all.get(index).into_iter().flatten());
        }
    }
    match &scan.projection {
        Some(projection) => {
            let projected = projection.iter();
            projected
                .map(|index| all.get(*index).cloned().unwrap_or_default())
                .collect()
        }
        None => all,
    }
}

fn of_join(join: &Join, used: &mut StoredColumns) -> Vec<StoredColumns> {
    let left = origins(&join.left, used);
    let right = origins(&join.right, used);
    for (of_left, of_right) in &join.on {
        used.extend(of_expr(of_left, join.left.schema(), &left));
        used.extend(of_expr(of_right, join.right.schema(), &right));
    }
    if let Some(filter) = &join.filter {
        used.extend(of_expr(filter, join.left.schema(), &left));
        used.extend(of_expr(filter, join.right.schema(), &right));
    }
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right,
        _ => left.into_iter().chain(right).collect(),
    }
}

fn of_exprs(exprs: &[Expr], schema: &DFSchema, input: &[StoredColumns]) -> Vec<StoredColumns> {
    let exprs = exprs.iter();
    exprs.map(|expr| of_expr(expr, schema, input)).collect()
}

fn of_expr(expr: &Expr, schema: &DFSchema, input: &[StoredColumns]) -> StoredColumns {
    let columns = expr.column_refs().into_iter();
    let indexes = columns.filter_map(|column| schema.maybe_index_of_column(column));
    let found = indexes.filter_map(|index| input.get(index));
    found.flatten().copied().collect()
}
