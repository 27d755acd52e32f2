//! Assignment: a value on its way into a column, cast with lengths and ranges checked.

use crate::function::semistructured::{self, Use};
use crate::function::text_length;
use crate::types::SqlType;
use arrow_schema::{DataType, Field};
use datafusion_expr::{Expr, ScalarUDF, cast, lit};
use std::sync::Arc;

/// Casts `expr`, whose values come as `source`, to a column's type. Text too long is an error unless the excess
/// is blanks; numbers are rounded, and refused when out of range.
pub(super) fn assign(expr: Expr, source: &Field, target: SqlType) -> Expr {
    let arrow = target.arrow();
    let original = expr.clone();
    let value = if *source.data_type() == arrow {
        expr
    } else {
        convert(expr, source.data_type(), arrow)
    };
    match target {
        SqlType::YearToMonth(unit) if unit.months() > 1 => {
            cut(value, unit.months(), crate::function::interval_cuts().0)
        }
        SqlType::DayToSecond(unit) if unit.microseconds() > 1 => cut(
            value,
            unit.microseconds(),
            crate::function::interval_cuts().1,
        ),
        SqlType::HllSketch if SqlType::from_field(source) != SqlType::HllSketch => {
            crate::function::sketch_reader().map_or(value, |read| read.call(vec![original]))
        }
        SqlType::Super if !semistructured::is_super(source) => Use::Make.call(vec![original]),
        SqlType::Varchar(length) => match SqlType::from_field(source) {
            // A column that is no wider needs no check.
            SqlType::Varchar(other) | SqlType::Char(other)
                if other <= length
                    && source.metadata().contains_key(crate::types::SQL_TYPE_KEY) =>
            {
                value
            }
            _ => text_length::assign().call(vec![value, lit(i64::from(length)), lit(false)]),
        },
        SqlType::Char(length) => match SqlType::from_field(source) {
            SqlType::Char(other) if other <= length => value,
            _ => text_length::assign().call(vec![value, lit(i64::from(length)), lit(true)]),
        },
        SqlType::Varbyte(length) => match SqlType::from_field(source) {
            SqlType::Varbyte(other)
                if other <= length
                    && source.metadata().contains_key(crate::types::SQL_TYPE_KEY) =>
            {
                value
            }
            _ => text_length::assign_varbyte().call(vec![value, lit(i64::from(length))]),
        },
        _ => value,
    }
}

/// Cuts off what is less than the smallest unit of an interval's qualifier.
fn cut(value: Expr, unit: i64, function: Option<Arc<ScalarUDF>>) -> Expr {
    match function {
        Some(function) => function.call(vec![value, lit(unit)]),
        None => value,
    }
}

/// A cast that rounds where the engine's would truncate.
pub(super) fn convert(expr: Expr, source: &DataType, target: DataType) -> Expr {
    let is_text = matches!(
        source,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    if let Some(converter) = crate::function::converter(source, &target) {
        return converter.call(vec![expr]);
    }
    if is_text && let Some(reader) = crate::function::reader(&target) {
        return reader.call(vec![expr]);
    }
    if matches!(target, DataType::Utf8 | DataType::Utf8View)
        && let Some(writer) = crate::function::writer(source)
    {
        return writer.call(vec![expr]);
    }
    let rounds = target.is_integer()
        && matches!(source, DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if *scale > 0);
    if rounds {
        return cast(cast(expr, DataType::Decimal128(38, 0)), target);
    }
    if target.is_integer() && source.is_floating() {
        // 15 digits after the point are all that a double holds near zero.
        return cast(
            crate::function::round_half::round().call(vec![expr]),
            target,
        );
    }
    cast(expr, target)
}
