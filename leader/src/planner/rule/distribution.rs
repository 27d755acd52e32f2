//! Where the rows of a plan lie.

use blueshift_compute::distribution::Distribution;
use blueshift_compute::scan::StoredTable;
use datafusion::catalog::TableProvider;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan};
use std::any::Any;

/// Gives the column a logical plan's rows are placed by, if it reads one table with a distribution key.
pub(super) fn key_of(plan: &LogicalPlan) -> Option<Column> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let table = source_as_provider(&scan.source).ok()?;
            let index = key_index(table.as_ref())?;
            let name = scan.source.schema().fields().get(index)?.name().clone();
            Some(Column::new(Some(scan.table_name.clone()), name))
        }
        LogicalPlan::Filter(filter) => key_of(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => {
            let column = key_of(&alias.input)?;
            Some(Column::new(Some(alias.alias.clone()), column.name))
        }
        LogicalPlan::Projection(projection) => {
            let column = key_of(&projection.input)?;
            projection
                .expr
                .iter()
                .any(|expr| matches!(expr, Expr::Column(of) if *of == column))
                .then_some(column)
        }
        _ => None,
    }
}

fn key_index(table: &dyn TableProvider) -> Option<usize> {
    let any: &dyn Any = table;
    if let Some(stored) = any.downcast_ref::<StoredTable>() {
        return match stored.distribution {
            Distribution::Key(column) if stored.placement_holds => Some(column),
            _ => None,
        };
    }
    #[cfg(test)]
    if let Some(fixture) = any.downcast_ref::<crate::planner::tests::Fixture>() {
        return fixture.key;
    }
    None
}
