//! A date compared with a moment that is the same for all rows, as `day < DATE '2024-01-01' + INTERVAL '1 month'`.
//!
//! A date plus an interval is a timestamp, so the engine would make a timestamp of every date, and no zone map could
//! help. Midnight of a date is before a moment exactly if the date is before the day on which the moment falls or, if
//! that is no midnight, on that day; so days are compared with days.

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{ExprSchema, ScalarValue};
use datafusion_expr::{Expr, ExprSchemable, Operator, binary_expr, cast};

/// A day but its last microsecond, in nanoseconds: so much later a moment falls on the next day unless it is midnight.
const REST_OF_DAY: i64 = 86_399_999_999_000;

/// Gives a comparison of a date and a moment as one of dates.
pub(super) fn by_day(
    left: &Expr,
    operator: Operator,
    right: &Expr,
    schema: &dyn ExprSchema,
) -> Option<Expr> {
    if is_date(left, schema) && is_moment(right, schema) {
        return compared(left, operator, right);
    }
    if is_date(right, schema) && is_moment(left, schema) {
        return compared(right, operator.swap()?, left);
    }
    None
}

/// Gives BETWEEN two moments, of a date, as comparisons of dates; a bound may be a date too.
pub(super) fn between_by_day(
    expr: &Expr,
    negated: bool,
    low: &Expr,
    high: &Expr,
    schema: &dyn ExprSchema,
) -> Option<Expr> {
    if !is_date(expr, schema) || !(is_moment(low, schema) || is_moment(high, schema)) {
        return None;
    }
    let (from, to) = match negated {
        false => (Operator::GtEq, Operator::LtEq),
        true => (Operator::Lt, Operator::Gt),
    };
    let side = |operator, bound: &Expr| match is_moment(bound, schema) {
        true => compared(expr, operator, bound),
        false => Some(binary_expr(expr.clone(), operator, bound.clone())),
    };
    let (from, to) = (side(from, low)?, side(to, high)?);
    Some(match negated {
        false => from.and(to),
        true => from.or(to),
    })
}

fn is_date(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Date32))
}

/// Tells whether an expression is a timestamp without zone that is the same for every row.
fn is_moment(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    let is_timestamp = matches!(
        expr.get_type(schema),
        Ok(DataType::Timestamp(
            TimeUnit::Microsecond | TimeUnit::Nanosecond,
            None
        ))
    );
    is_timestamp && expr.column_refs().is_empty() && !holds_query(expr)
}

fn holds_query(expr: &Expr) -> bool {
    let found = datafusion_common::tree_node::TreeNode::exists(expr, |part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
        ))
    });
    found.unwrap_or(true)
}

fn compared(date: &Expr, operator: Operator, moment: &Expr) -> Option<Expr> {
    let day = || cast(moment.clone(), DataType::Date32);
    let next = || {
        let rest = ScalarValue::new_interval_mdn(0, 0, REST_OF_DAY);
        let later = binary_expr(moment.clone(), Operator::Plus, Expr::Literal(rest, None));
        cast(later, DataType::Date32)
    };
    let compare = |operator, day| binary_expr(date.clone(), operator, day);
    Some(match operator {
        Operator::Gt => compare(Operator::Gt, day()),
        Operator::LtEq => compare(Operator::LtEq, day()),
        Operator::GtEq => compare(Operator::GtEq, next()),
        Operator::Lt => compare(Operator::Lt, next()),
        Operator::Eq => compare(Operator::GtEq, next()).and(compare(Operator::LtEq, day())),
        _ => return None,
    })
}
