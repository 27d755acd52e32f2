//! Constants of a predicate in a column's own physical domain, and back.
//!
//! A comparison of a widened column (`CAST(int2 AS decimal)`, `CAST(date AS timestamp)`) with a constant is
//! turned into one of the stored values where that is exact: widening multiplies by a whole number, so the
//! constant is divided by it and the rounding decides the operator.

use arrow_schema::{DataType, TimeUnit};
use blueshift_storage::ColumnType;
use blueshift_storage::table::predicate::{CompareOp, Value};
use datafusion::common::ScalarValue;

/// What remains of a comparison once its constant is in the column's domain.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison {
    /// `column op value`.
    Test(CompareOp, Value),
    /// No value compares so; null neither.
    Never,
    /// Every value compares so; null does not.
    NotNull,
}

const MICROS_PER_DAY: i128 = 86_400_000_000;

/// Gives the digits after the point of a whole-number domain; `None` if `ty` is not one of numbers.
fn scale_of(ty: &DataType) -> Option<i8> {
    match ty {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(0),
        DataType::Decimal128(_, scale) => Some(*scale),
        _ => None,
    }
}

/// Gives the whole number that one unit of `stored` becomes in `compared`, if a cast there is exact.
fn widening(stored: &DataType, compared: &DataType) -> Option<i128> {
    if stored == compared {
        return Some(1);
    }
    if let (Some(from), Some(to)) = (scale_of(stored), scale_of(compared)) {
        let digits = u32::try_from(to.checked_sub(from)?).ok()?;
        return widens(stored, compared)
            .then(|| 10_i128.checked_pow(digits))
            .flatten();
    }
    match (stored, compared) {
        (DataType::Date32, DataType::Timestamp(unit, None)) => match unit {
            TimeUnit::Second => Some(MICROS_PER_DAY / 1_000_000),
            TimeUnit::Millisecond => Some(MICROS_PER_DAY / 1_000),
            TimeUnit::Microsecond => Some(MICROS_PER_DAY),
            TimeUnit::Nanosecond => None,
        },
        (DataType::Timestamp(TimeUnit::Microsecond, a), DataType::Timestamp(unit, b))
            if a.is_some() == b.is_some() =>
        {
            // Nanoseconds would overflow for far dates, where the engine gives an error or null.
            (*unit == TimeUnit::Microsecond).then_some(1)
        }
        (DataType::Float32, DataType::Float64) => Some(1),
        (DataType::Utf8View, DataType::Utf8 | DataType::LargeUtf8) => Some(1),
        (DataType::BinaryView, DataType::Binary | DataType::LargeBinary) => Some(1),
        _ => None,
    }
}

/// Tells whether every number of `stored` has its place in `compared`, so that the cast never fails.
pub(super) fn widens(stored: &DataType, compared: &DataType) -> bool {
    let whole_digits = |ty: &DataType| match ty {
        DataType::Int8 => Some(3),
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        DataType::Decimal128(precision, scale) => Some(i16::from(*precision) - i16::from(*scale)),
        _ => None,
    };
    let (Some(from), Some(to)) = (whole_digits(stored), whole_digits(compared)) else {
        return false;
    };
    let scales = scale_of(stored).zip(scale_of(compared));
    scales.is_some_and(|(from_scale, to_scale)| from <= to && from_scale <= to_scale)
}

/// Gives the number behind a constant of an integer-like type.
fn whole(value: &ScalarValue) -> Option<i128> {
    match value {
        ScalarValue::Int8(value) => value.map(i128::from),
        ScalarValue::Int16(value) => value.map(i128::from),
        ScalarValue::Int32(value) => value.map(i128::from),
        ScalarValue::Int64(value) => value.map(i128::from),
        ScalarValue::Decimal128(value, _, _) => *value,
        ScalarValue::Date32(value) => value.map(i128::from),
        ScalarValue::IntervalYearMonth(value) => value.map(i128::from),
        ScalarValue::Time64Microsecond(value)
        | ScalarValue::Time64Nanosecond(value)
        | ScalarValue::DurationMicrosecond(value)
        | ScalarValue::TimestampSecond(value, _)
        | ScalarValue::TimestampMillisecond(value, _)
        | ScalarValue::TimestampMicrosecond(value, _) => value.map(i128::from),
        _ => None,
    }
}

/// Gives the bytes behind a constant of a text or binary type.
pub(super) fn bytes(value: &ScalarValue) -> Option<&[u8]> {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Some(text.as_bytes()),
        ScalarValue::Binary(Some(value))
        | ScalarValue::LargeBinary(Some(value))
        | ScalarValue::BinaryView(Some(value)) => Some(value),
        _ => None,
    }
}

/// Turns `CAST(column AS the constant's type) op constant` into a test of the stored value. `None` if it
/// cannot be done exactly, also for null. Of NaN and of zero storage keeps one each, the greatest and the
/// one without a sign, and so the order of both is that of SQL.
pub(super) fn comparison(
    stored: ColumnType,
    op: CompareOp,
    value: &ScalarValue,
) -> Option<Comparison> {
    let factor = widening(&stored.arrow(), &value.data_type())?;
    match stored {
        ColumnType::Float32 | ColumnType::Float64 => {
            let constant = match value {
                ScalarValue::Float32(constant) => constant.map(f64::from),
                ScalarValue::Float64(constant) => *constant,
                _ => None,
            }?;
            Some(Comparison::Test(op, Value::Float(constant)))
        }
        ColumnType::Bool => match value {
            ScalarValue::Boolean(Some(value)) => Some(Comparison::Test(op, Value::Bool(*value))),
            _ => None,
        },
        ColumnType::Text | ColumnType::Bytes => {
            Some(Comparison::Test(op, Value::Bytes(bytes(value)?.into())))
        }
        _ => {
            let number = whole(value)?;
            let floor = number.div_euclid(factor);
            if number.rem_euclid(factor) == 0 {
                return Some(Comparison::Test(op, Value::Int(floor)));
            }
            let floor = Value::Int(floor);
            Some(match op {
                CompareOp::Eq => Comparison::Never,
                CompareOp::NotEq => Comparison::NotNull,
                CompareOp::Lt | CompareOp::LtEq => Comparison::Test(CompareOp::LtEq, floor),
                CompareOp::Gt | CompareOp::GtEq => Comparison::Test(CompareOp::Gt, floor),
            })
        }
    }
}

/// Gives the engine's constant for a stored value of a column; `None` if the two do not fit.
pub(super) fn scalar(stored: ColumnType, value: &Value) -> Option<ScalarValue> {
    match (stored, value) {
        (ColumnType::Bool, Value::Bool(value)) => Some(ScalarValue::Boolean(Some(*value))),
        (ColumnType::Float32, Value::Float(value)) => {
            Some(ScalarValue::Float32(Some(*value as f32)))
        }
        (ColumnType::Float64, Value::Float(value)) => Some(ScalarValue::Float64(Some(*value))),
        (ColumnType::Text, Value::Bytes(bytes)) => {
            // A bound may be cut inside a character; what is left of it is still a bound for estimates.
            let text = String::from_utf8_lossy(bytes).into_owned();
            Some(ScalarValue::Utf8View(Some(text)))
        }
        (ColumnType::Bytes, Value::Bytes(bytes)) => {
            Some(ScalarValue::BinaryView(Some(bytes.to_vec())))
        }
        (_, Value::Int(value)) => {
            let long = i64::try_from(*value).ok();
            Some(match stored {
                ColumnType::Int16 => ScalarValue::Int16(Some(i16::try_from(*value).ok()?)),
                ColumnType::Int32 => ScalarValue::Int32(Some(i32::try_from(*value).ok()?)),
                ColumnType::Int64 => ScalarValue::Int64(Some(long?)),
                ColumnType::Decimal { precision, scale } => {
                    ScalarValue::Decimal128(Some(*value), precision, scale)
                }
                ColumnType::Date => ScalarValue::Date32(Some(i32::try_from(*value).ok()?)),
                ColumnType::Time => ScalarValue::Time64Microsecond(Some(long?)),
                ColumnType::TimeTz => ScalarValue::Time64Nanosecond(Some(long?)),
                ColumnType::Months => {
                    ScalarValue::IntervalYearMonth(Some(i32::try_from(*value).ok()?))
                }
                ColumnType::Duration => ScalarValue::DurationMicrosecond(Some(long?)),
                ColumnType::Timestamp => ScalarValue::TimestampMicrosecond(Some(long?), None),
                ColumnType::TimestampTz => {
                    ScalarValue::TimestampMicrosecond(Some(long?), Some("UTC".into()))
                }
                _ => return None,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_between_two_stored_values_moves_to_the_near_one() {
        let decimal = |value| ScalarValue::Decimal128(Some(value), 12, 2);
        let check = |op, value, expected| {
            assert_eq!(
                comparison(ColumnType::Int32, op, &decimal(value)),
                Some(expected)
            );
        };
        check(
            CompareOp::Eq,
            500,
            Comparison::Test(CompareOp::Eq, Value::Int(5)),
        );
        check(CompareOp::Eq, 550, Comparison::Never);
        check(CompareOp::NotEq, 550, Comparison::NotNull);
        check(
            CompareOp::Lt,
            550,
            Comparison::Test(CompareOp::LtEq, Value::Int(5)),
        );
        check(
            CompareOp::GtEq,
            550,
            Comparison::Test(CompareOp::Gt, Value::Int(5)),
        );
        check(
            CompareOp::Lt,
            -550,
            Comparison::Test(CompareOp::LtEq, Value::Int(-6)),
        );
        check(
            CompareOp::GtEq,
            -550,
            Comparison::Test(CompareOp::Gt, Value::Int(-6)),
        );
    }

    #[test]
    fn a_narrowing_cast_is_left_to_the_engine() {
        let value = ScalarValue::Decimal128(Some(5), 3, 1);
        assert_eq!(comparison(ColumnType::Int32, CompareOp::Eq, &value), None);
        let value = ScalarValue::Float32(Some(5.0));
        assert_eq!(comparison(ColumnType::Float64, CompareOp::Eq, &value), None);
    }

    #[test]
    fn floats_are_tested_by_storage() {
        for ty in [ColumnType::Float32, ColumnType::Float64] {
            for value in [0.1, 0.0, f64::INFINITY] {
                let test = comparison(ty, CompareOp::Lt, &ScalarValue::Float64(Some(value)));
                let expected = Comparison::Test(CompareOp::Lt, Value::Float(value));
                assert_eq!(test, Some(expected));
            }
        }
    }

    #[test]
    fn a_date_compares_with_a_moment() {
        let noon = ScalarValue::TimestampMicrosecond(Some(86_400_000_000 / 2), None);
        assert_eq!(
            comparison(ColumnType::Date, CompareOp::GtEq, &noon),
            Some(Comparison::Test(CompareOp::Gt, Value::Int(0)))
        );
    }
}
