//! `moment < DATE '9999-12-31'`: a date and a timestamp meet in microseconds.
//!
//! The engine makes both of them nanoseconds, which end in the year 2262; the last of all days is what warehouses write
//! where a period is open. Every type of ours is kept in microseconds, so what casts to nanoseconds came from there.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use std::sync::Arc;

/// Makes casts to timestamps in nanoseconds casts to microseconds. Runs when types are settled, before constants are
/// worked out.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut is_needed = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            is_needed |= expr.exists(|part| Ok(in_microseconds(part).is_some()))?;
            Ok(match is_needed {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })
    })?;
    if !is_needed {
        return Ok(plan);
    }
    plan.transform_up_with_subqueries(|node| {
        let settled = node.map_expressions(|expr| {
            expr.transform_up(|part| {
                let Some(ty) = in_microseconds(&part) else {
                    return Ok(Transformed::no(part));
                };
                Ok(Transformed::yes(match part {
                    Expr::Cast(mut cast) => {
                        cast.field = Arc::new(cast.field.as_ref().clone().with_data_type(ty));
                        Expr::Cast(cast)
                    }
                    other => other,
                }))
            })
        })?;
        // A column below may have changed, too.
        Ok(Transformed::yes(settled.data.recompute_schema()?))
    })
    .data()
}

/// Gives the type of a cast to nanoseconds, in microseconds.
fn in_microseconds(expr: &Expr) -> Option<DataType> {
    match expr {
        Expr::Cast(cast) => match cast.field.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
            }
            _ => None,
        },
        _ => None,
    }
}
