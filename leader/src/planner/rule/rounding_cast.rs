//! `CAST(moment AS DATE) = day`: the engine is not let look through casts that take several values to one.
//!
//! It would cast the range of days back to moments: midnights. So it counted more rows than there are, which it calls
//! an error, and took a column of moments of one day for a constant, which it then did not sort by.

use blueshift_sql::function::as_is;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

/// Puts [`as_is`](mod@as_is) around what such casts in filters take. The last of the logical rules: others know casts.
pub fn hide(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up(|node| {
        let LogicalPlan::Filter(mut filter) = node else {
            return Ok(Transformed::no(node));
        };
        let schema = filter.input.schema();
        let predicate = std::mem::take(&mut filter.predicate).transform_up(|part| {
            let Expr::Cast(cast) = part else {
                return Ok(Transformed::no(part));
            };
            let from = cast.expr.get_type(schema)?;
            if is_exact(&from, cast.field.data_type()) {
                return Ok(Transformed::no(Expr::Cast(cast)));
            }
            Ok(Transformed::yes(Expr::Cast(Cast {
                expr: Box::new(as_is::as_is().call(vec![*cast.expr])),
                field: cast.field,
            })))
        })?;
        filter.predicate = predicate.data;
        Ok(Transformed::new_transformed(
            LogicalPlan::Filter(filter),
            predicate.transformed,
        ))
    })
    .data()
}

/// Tells whether values keep apart and in their order, or the engine looks at none of this type anyway.
fn is_exact(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Decimal128, Float32, Float64, Int16, Int32, Int64, Timestamp};
    let has_range =
        from.is_integer() || from.is_floating() || matches!(from, Date32 | Timestamp(..));
    if !has_range || from == to {
        return true;
    }
    match (from, to) {
        (Int16, Int32 | Int64 | Float64)
        | (Int32, Int64 | Float64)
        | (Float32, Float64)
        | (Date32, Timestamp(TimeUnit::Microsecond, None)) => true,
        (Int16 | Int32 | Int64, Decimal128(precision, scale)) => {
            let digits = match from {
                Int16 => 5,
                Int32 => 10,
                _ => 19,
            };
            i16::from(*precision) - i16::from(*scale) >= digits
        }
        _ => false,
    }
}
