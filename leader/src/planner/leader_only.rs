//! Functions that Redshift has on its leader node alone: with a user's table they are refused, in its words.
//!
//! Here they would work; but who writes SQL for Redshift must not find that out there. `SET blueshift.comfort TO on`
//! lifts the limit. NOW and CURRENT_TIMESTAMP always work, as tools write them everywhere.

use super::options;
use crate::error::{Error, Result};
use blueshift_compute::external::ExternalTable;
use blueshift_compute::external::postgres::RemoteScan;
use blueshift_compute::scan::StoredTable;
use blueshift_sql::SqlState;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::datasource::source_as_provider;
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::{Expr, LogicalPlan};
use std::any::Any;
use std::collections::BTreeSet;

/// Their names, in order.
const NAMES: &[&str] = &[
    "age",
    "array_lower",
    "array_to_string",
    "array_upper",
    "col_description",
    "current_schema",
    "current_schemas",
    "current_time",
    "format_type",
    "generate_series",
    "get_bit",
    "get_byte",
    "getbit",
    "has_column_privilege",
    "has_database_privilege",
    "has_function_privilege",
    "has_language_privilege",
    "has_schema_privilege",
    "has_table_privilege",
    "isfinite",
    "localtime",
    "localtimestamp",
    "obj_description",
    "oidvectortypes",
    "pg_encoding_to_char",
    "pg_function_is_visible",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_indexdef",
    "pg_get_userbyid",
    "pg_get_viewdef",
    "pg_table_is_visible",
    "set_bit",
    "set_byte",
    "slice_num",
    "to_ascii",
    "version",
];

/// The one function among them that tells something of the rows of a table.
const OF_ROWS: &str = "slice_num";

/// Refuses a plan in which they meet a table of a user.
pub(super) fn check(plan: &LogicalPlan, config: &ConfigOptions) -> Result<()> {
    let comfort = options::options_of(config).comfort;
    let (mut functions, mut has_table) = (BTreeSet::new(), false);
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            let provider: &dyn Any = provider.as_ref();
            has_table |= is_of_user(provider);
            if provider.is::<GenerateSeriesTable>() {
                note("generate_series", &mut functions);
            }
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::ScalarFunction(ScalarFunction { func, .. }) => {
                        note(func.name(), &mut functions);
                    }
                    Expr::AggregateFunction(AggregateFunction { func, .. }) => {
                        note(func.name(), &mut functions);
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if has_table && functions.contains(OF_ROWS) {
        return Err(Error::from(blueshift_sql::Error::unsupported(
            "SLICE_NUM of what is no row of a table, as of a query in FROM,",
            "Ask for it in the query that names the table.",
        )));
    }
    if comfort || functions.is_empty() || !has_table {
        return Ok(());
    }
    let texts = functions
        .iter()
        .map(|name| format!("Function \"{name}\" not supported."));
    let refused = blueshift_sql::Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "Specified types or functions (one per INFO message) not supported on Redshift tables.",
    )
    .with_detail(texts.collect::<Vec<_>>().join(" "))
    .with_hint("Call them in a query without tables, or SET blueshift.comfort TO on.");
    Err(Error::from(refused))
}

fn note(name: &str, functions: &mut BTreeSet<&'static str>) {
    if let Ok(place) = NAMES.binary_search(&name) {
        functions.extend(NAMES.get(place));
    }
}

fn is_of_user(provider: &dyn Any) -> bool {
    let table = provider.downcast_ref::<StoredTable>();
    let is_external = provider.is::<ExternalTable>() || provider.is::<RemoteScan>();
    is_external
        || table.is_some_and(|table| {
            !table.name.starts_with("pg_") && !table.name.starts_with("information_schema.")
        })
}

#[cfg(test)]
mod tests {
    use super::NAMES;

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.is_sorted());
    }
}
