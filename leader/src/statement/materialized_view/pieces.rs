//! Which parts of a query let a materialized view be refreshed by what changed; the others come with the reason why
//! not. Source: the manual's "Limitations for incremental refresh".

use super::definition::stored;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Volatility};

/// Words a reason.
pub(super) fn reason(what: &str) -> String {
    format!("{what} are not supported")
}

/// Checks that a plan selects, filters and joins stored tables, nothing else.
pub(super) fn check_rows(plan: &LogicalPlan) -> Result<(), String> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            if stored(scan).is_none() || !scan.filters.is_empty() || scan.fetch.is_some() {
                return Err(reason("Other sources than stored tables"));
            }
            Ok(())
        }
        LogicalPlan::Projection(projection) => {
            check_exprs(&projection.expr, projection.input.schema())?;
            check_rows(&projection.input)
        }
        LogicalPlan::Filter(filter) => {
            check_exprs(
                std::slice::from_ref(&filter.predicate),
                filter.input.schema(),
            )?;
            check_rows(&filter.input)
        }
        LogicalPlan::SubqueryAlias(alias) => check_rows(&alias.input),
        LogicalPlan::Join(join) => {
            match join.join_type {
                JoinType::Inner => {}
                JoinType::Left | JoinType::Right | JoinType::Full => {
                    return Err(reason("Outer joins"));
                }
                _ => return Err(reason("Subqueries outside FROM")),
            }
            for (left, right) in &join.on {
                check_exprs(std::slice::from_ref(left), join.left.schema())?;
                check_exprs(std::slice::from_ref(right), join.right.schema())?;
            }
            if let Some(filter) = &join.filter {
                check_exprs(std::slice::from_ref(filter), &join.schema)?;
            }
            check_rows(&join.left)?;
            check_rows(&join.right)
        }
        LogicalPlan::Aggregate(_) => Err(reason("Aggregates below other parts of the query")),
        LogicalPlan::Distinct(_) => Err("DISTINCT is not supported".to_owned()),
        LogicalPlan::Window(_) => Err(reason("Window functions")),
        LogicalPlan::Union(_) => Err(reason("Set operations")),
        LogicalPlan::Limit(_) => Err("LIMIT is not supported".to_owned()),
        LogicalPlan::RecursiveQuery(_) => Err(reason("Recursive queries")),
        LogicalPlan::Unnest(_) => Err(reason("Elements of SUPER arrays in FROM")),
        _ => Err(reason("Some parts of the query")),
    }
}

/// Checks that expressions always give the same for the same row.
pub(super) fn check_exprs(exprs: &[Expr], schema: &DFSchema) -> Result<(), String> {
    let mut refused = None;
    for expr in exprs {
        let walked = expr.apply(|part| {
            let why = match part {
                Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..) => Some(reason("Subqueries outside FROM")),
                Expr::WindowFunction(_) => Some(reason("Window functions")),
                Expr::GroupingSet(_) => Some(reason("ROLLUP, CUBE and GROUPING SETS")),
                Expr::ScalarFunction(function)
                    if function.func.signature().volatility != Volatility::Immutable =>
                {
                    Some(reason("Mutable functions"))
                }
                // What an instant looks like depends on the time zone of the session.
                Expr::Cast(_) | Expr::TryCast(_) => {
                    is_zoned_cast(part, schema).then(|| reason("Casts of TIMESTAMPTZ"))
                }
                _ => None,
            };
            Ok(match why {
                Some(why) => {
                    refused = Some(why);
                    TreeNodeRecursion::Stop
                }
                None => TreeNodeRecursion::Continue,
            })
        });
        if walked.is_err() {
            return Err(reason("Some expressions"));
        }
    }
    match refused {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

fn is_zoned_cast(expr: &Expr, schema: &DFSchema) -> bool {
    let inner = match expr {
        Expr::Cast(cast) => &cast.expr,
        Expr::TryCast(cast) => &cast.expr,
        _ => return false,
    };
    let is_zoned = |expr: &Expr| match expr.get_type(schema) {
        Ok(ty) => matches!(ty, DataType::Timestamp(_, Some(_))),
        // What it is is not known here: it may be.
        Err(_) => true,
    };
    is_zoned(expr) != is_zoned(inner)
}
