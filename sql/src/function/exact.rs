//! `+`, `-` and `*` of decimals whose exact result may need more than 38 digits, and all four of floating-point
//! numbers, where a result beyond the range is error 22003 and not infinity.
//!
//! Precision and scale are the manual's ("Computations with numeric values"): beyond 38 digits those after the point
//! give way, down to 4, and what still does not fit is error 22003. The engine would keep 39 digits and more.

pub mod chain;
pub mod small;

use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::i256;
use arrow::error::ArrowError;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::{Arc, LazyLock};

const DIGITS_MAX: i16 = 38;
/// Digits after the point that are kept even so.
const SCALE_KEPT: i16 = 4;
/// One more than the greatest value of 38 digits.
const END: i128 = 10_i128.pow(38);

const NAMES: [(Operator, &str); 4] = [
    (Operator::Plus, "blueshift_decimal_plus"),
    (Operator::Minus, "blueshift_decimal_minus"),
    (Operator::Multiply, "blueshift_decimal_times"),
    (Operator::Divide, "blueshift_double_divide"),
];

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let function = |(operator, name): (Operator, &'static str)| {
        Arc::new(ScalarUDF::new_from_impl(Exact {
            name,
            operator,
            signature: Signature::any(2, Volatility::Immutable),
        }))
    };
    NAMES.into_iter().map(function).collect()
});

/// Gives every one of them.
pub(crate) fn all() -> impl Iterator<Item = Arc<ScalarUDF>> {
    FUNCTIONS.iter().map(Arc::clone)
}

/// Gives the function of an operator: of two decimals, or of two DOUBLE PRECISION.
pub(crate) fn function(operator: Operator) -> Option<Arc<ScalarUDF>> {
    let place = NAMES.iter().position(|(known, _)| *known == operator)?;
    FUNCTIONS.get(place).map(Arc::clone)
}

/// Gives the operator that a function of this name stands for.
pub(super) fn operator(function: &str) -> Option<Operator> {
    let known = NAMES.iter().find(|(_, name)| *name == function);
    known.map(|(operator, _)| *operator)
}

/// Tells whether the engine's own operator could give more than 38 digits. A product of narrower operands keeps more
/// digits after the point than the manual says, and is left to the engine, which multiplies faster.
pub(crate) fn may_overflow(operator: Operator, left: (u8, i8), right: (u8, i8)) -> bool {
    match operator {
        Operator::Multiply => left.0 == 38 || right.0 == 38 || left.1 + right.1 > 38,
        Operator::Plus | Operator::Minus => exact_shape(operator, left, right).0 > DIGITS_MAX,
        _ => false,
    }
}

fn exact_shape(operator: Operator, left: (u8, i8), right: (u8, i8)) -> (i16, i16) {
    let (p1, s1) = (i16::from(left.0), i16::from(left.1));
    let (p2, s2) = (i16::from(right.0), i16::from(right.1));
    match operator {
        Operator::Multiply => (p1 + p2 + 1, s1 + s2),
        _ => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + 1 + scale, scale)
        }
    }
}

/// Gives precision and scale of a result.
fn shape(operator: Operator, left: (u8, i8), right: (u8, i8)) -> (u8, i8) {
    let (mut precision, mut scale) = exact_shape(operator, left, right);
    if precision > DIGITS_MAX {
        scale = (DIGITS_MAX + scale - precision).max(scale.min(SCALE_KEPT));
        precision = DIGITS_MAX;
    }
    (
        u8::try_from(precision).unwrap_or(38),
        i8::try_from(scale).unwrap_or(0),
    )
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    name: &'static str,
    operator: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Exact {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, right] => exact_type(self.operator, left, right),
            _ => datafusion_common::plan_err!("{} takes two numbers", self.name),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [left, right] => compute_values(self.operator, left, right),
            _ => datafusion_common::exec_err!("{} takes two numbers", self.name),
        }
    }
}

/// Gives the type of a result.
fn exact_type(operator: Operator, left: &DataType, right: &DataType) -> Result<DataType> {
    match (left, right) {
        (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) => {
            let (precision, scale) = shape(operator, (*p1, *s1), (*p2, *s2));
            Ok(DataType::Decimal128(precision, scale))
        }
        (DataType::Float64, DataType::Float64) => Ok(DataType::Float64),
        _ => datafusion_common::plan_err!("an operator takes two numbers of one kind"),
    }
}

/// Computes with two decimals or two doubles.
fn compute_values(
    operator: Operator,
    left: &ColumnarValue,
    right: &ColumnarValue,
) -> Result<ColumnarValue> {
    if left.data_type() == DataType::Float64 {
        return double(operator, left, right);
    }
    let is_constant = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
    let all_constant = is_constant(left) && is_constant(right);
    let rows = match (left, right) {
        (ColumnarValue::Array(array), _) | (_, ColumnarValue::Array(array)) => array.len(),
        _ => 1,
    };
    let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
    let result: ArrayRef = Arc::new(compute(
        operator,
        left.as_primitive(),
        right.as_primitive(),
    )?);
    if all_constant {
        return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
    }
    Ok(ColumnarValue::Array(result))
}

/// Computes with doubles: a column and a constant, two columns or two constants.
fn double(
    operator: Operator,
    left: &ColumnarValue,
    right: &ColumnarValue,
) -> Result<ColumnarValue> {
    let constant = |value: &ScalarValue| match value {
        ScalarValue::Float64(value) => *value,
        _ => None,
    };
    Ok(match (left, right) {
        (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
            let result = match (constant(left), constant(right)) {
                (Some(left), Some(right)) => {
                    let value = apply(operator, left, right);
                    ensure(operator, left, right, value)?;
                    Some(value)
                }
                _ => None,
            };
            ColumnarValue::Scalar(ScalarValue::Float64(result))
        }
        (ColumnarValue::Array(left), ColumnarValue::Array(right)) => {
            let (left, right) = (left.as_primitive(), right.as_primitive());
            ColumnarValue::Array(Arc::new(of_columns(operator, left, right)?))
        }
        (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
            let left: &Float64Array = left.as_primitive();
            match constant(right) {
                Some(right) => ColumnarValue::Array(Arc::new(of_column(
                    left,
                    |left| apply(operator, left, right),
                    |left, value| ensure(operator, left, right, value),
                )?)),
                None => ColumnarValue::Scalar(ScalarValue::Float64(None)),
            }
        }
        (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
            let right: &Float64Array = right.as_primitive();
            match constant(left) {
                Some(left) => ColumnarValue::Array(Arc::new(of_column(
                    right,
                    |right| apply(operator, left, right),
                    |right, value| ensure(operator, left, right, value),
                )?)),
                None => ColumnarValue::Scalar(ScalarValue::Float64(None)),
            }
        }
    })
}

fn apply(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Multiply => left * right,
        _ => left / right,
    }
}

/// Tells whether a result needs a closer look: nearly none does.
fn is_odd(operator: Operator, value: f64) -> bool {
    !value.is_finite()
        || (value == 0.0 && matches!(operator, Operator::Multiply | Operator::Divide))
}

/// Refuses an infinity of finite numbers, a zero of numbers that are none, and a divisor that is zero.
fn ensure(operator: Operator, left: f64, right: f64, value: f64) -> Result<()> {
    if operator == Operator::Divide && right == 0.0 {
        return Err(ArrowError::DivideByZero.into());
    }
    if !is_odd(operator, value) {
        return Ok(());
    }
    let out_of_range = |what: &str| {
        let text = format!("value out of range: {what}");
        let error = Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, text);
        Err(DataFusionError::External(Box::new(error)))
    };
    if value.is_infinite() && left.is_finite() && right.is_finite() {
        return out_of_range("overflow");
    }
    let divided_by_infinity = operator == Operator::Divide && right.is_infinite();
    let has_zero = left == 0.0 || (operator == Operator::Multiply && right == 0.0);
    if value == 0.0 && !has_zero && !divided_by_infinity {
        return out_of_range("underflow");
    }
    Ok(())
}

fn of_column(
    column: &Float64Array,
    apply: impl Fn(f64) -> f64,
    ensure: impl Fn(f64, f64) -> Result<()>,
) -> Result<Float64Array> {
    let results: Vec<f64> = column.values().iter().map(|value| apply(*value)).collect();
    let plain = |value: &f64| value.is_finite() && *value != 0.0;
    if !results.iter().all(plain) {
        for (row, (value, result)) in column.values().iter().zip(&results).enumerate() {
            if !plain(result) && column.is_valid(row) {
                ensure(*value, *result)?;
            }
        }
    }
    Ok(Float64Array::new(results.into(), column.nulls().cloned()))
}

fn of_columns(
    operator: Operator,
    left: &Float64Array,
    right: &Float64Array,
) -> Result<Float64Array> {
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let pairs = left.values().iter().zip(right.values().iter());
    let results: Vec<f64> = pairs
        .clone()
        .map(|(left, right)| apply(operator, *left, *right))
        .collect();
    let plain = |value: &f64| value.is_finite() && *value != 0.0;
    if !results.iter().all(plain) {
        for (row, ((left, right), result)) in pairs.zip(&results).enumerate() {
            let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if !plain(result) && valid {
                ensure(operator, *left, *right, *result)?;
            }
        }
    }
    Ok(Float64Array::new(results.into(), nulls))
}

fn compute(
    operator: Operator,
    left: &Decimal128Array,
    right: &Decimal128Array,
) -> Result<Decimal128Array> {
    let (precision, scale) = shape(
        operator,
        (left.precision(), left.scale()),
        (right.precision(), right.scale()),
    );
    let exact = match operator {
        Operator::Multiply => i16::from(left.scale()) + i16::from(right.scale()),
        _ => i16::from(left.scale().max(right.scale())),
    };
    // Digits that are too much after the point.
    let excess = u8::try_from(exact - i16::from(scale)).unwrap_or(0);
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let sides = (
        (small::Operand::Each(left.values()), left.scale()),
        (small::Operand::Each(right.values()), right.scale()),
    );
    let results = match small::compute(operator, sides.0, sides.1, excess, left.len()) {
        Some(results) => results,
        None => compute_wide(operator, left, right, excess)?,
    };
    let results = Decimal128Array::new(results.into(), nulls);
    Ok(results.with_precision_and_scale(precision, scale)?)
}

/// Computes the unscaled results of values of any size, each rounded by `excess` digits.
fn compute_wide(
    operator: Operator,
    left: &Decimal128Array,
    right: &Decimal128Array,
    excess: u8,
) -> Result<Vec<i128>> {
    let power = |digits: i8| i256::from_i128(10_i128.pow(u32::from(digits.max(0).unsigned_abs())));
    let common = left.scale().max(right.scale());
    // To one scale before, and off what is too much after.
    let (widen_left, widen_right) = match operator {
        Operator::Multiply => (i256::ONE, i256::ONE),
        _ => (power(common - left.scale()), power(common - right.scale())),
    };
    let narrow = i256::from_i128(10)
        .checked_pow(u32::from(excess))
        .ok_or_else(overflow)?;
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let mut results = Vec::with_capacity(left.len());
    for (row, (left, right)) in left.values().iter().zip(right.values().iter()).enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            results.push(0);
            continue;
        }
        let left = i256::from_i128(*left).checked_mul(widen_left);
        let right = i256::from_i128(*right).checked_mul(widen_right);
        let value = match (left, right, operator) {
            (Some(left), Some(right), Operator::Plus) => left.checked_add(right),
            (Some(left), Some(right), Operator::Minus) => left.checked_sub(right),
            (Some(left), Some(right), _) => left.checked_mul(right),
            _ => None,
        };
        let value = value.and_then(|value| rounded(value, narrow));
        let value = value.filter(|value| value.unsigned_abs() < END.unsigned_abs());
        results.push(value.ok_or_else(overflow)?);
    }
    Ok(results)
}

/// Divides, half away from zero.
fn rounded(value: i256, by: i256) -> Option<i128> {
    if by == i256::ONE {
        return value.to_i128();
    }
    let quotient = value.checked_div(by)?.to_i128()?;
    let rest = value.checked_rem(by)?.wrapping_abs();
    let away = rest >= by.checked_sub(rest)?;
    let sign = if value < i256::ZERO { -1 } else { 1 };
    if away {
        quotient.checked_add(sign)
    } else {
        Some(quotient)
    }
}

fn overflow() -> DataFusionError {
    DataFusionError::External(Box::new(
        Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "Numeric data overflow (result precision)",
        )
        .with_hint("Cast the operands to decimals of fewer digits, or to DOUBLE PRECISION."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(operator: Operator, left: (i128, u8, i8), right: (i128, u8, i8)) -> Result<(i128, i8)> {
        let array = |(value, precision, scale)| {
            Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale)
        };
        let result = compute(operator, &array(left)?, &array(right)?)?;
        Ok((result.value(0), result.scale()))
    }

    #[test]
    fn digits_after_the_point_give_way_and_the_last_is_rounded() {
        let times = |left, right| of(Operator::Multiply, left, right);
        assert_eq!(times((15, 38, 1), (25, 38, 1)).unwrap(), (375, 2));
        let (left, right) = (15_000_000_000_i128, 25_000_000_000_i128);
        assert_eq!(times((left, 38, 10), (right, 38, 10)).unwrap(), (37_500, 4));
        assert_eq!(times((-155, 38, 2), (105, 38, 3)).unwrap(), (-1628, 4));
        assert_eq!(
            of(Operator::Plus, (155, 38, 2), (1, 10, 0)).unwrap(),
            (255, 2)
        );
        assert_eq!(of(Operator::Minus, (1, 38, 0), (5, 38, 1)).unwrap(), (5, 1));
    }

    #[test]
    fn more_than_38_digits_are_an_error() {
        let nines = END - 1;
        assert!(of(Operator::Plus, (nines, 38, 0), (1, 1, 0)).is_err());
        assert!(of(Operator::Multiply, (nines, 38, 0), (10, 2, 0)).is_err());
        assert!(of(Operator::Minus, (-nines, 38, 0), (1, 1, 0)).is_err());
        assert!(of(Operator::Multiply, (nines, 38, 37), (nines, 38, 37)).is_ok());
    }

    #[test]
    fn doubles_out_of_range_and_divisors_of_zero_are_errors_where_there_is_a_value() {
        let of = |operator, left: Option<f64>, right: Option<f64>| {
            let column = |value| ColumnarValue::Array(Arc::new(Float64Array::from(vec![value])));
            let constant = |value| ColumnarValue::Scalar(ScalarValue::Float64(value));
            let forms = [
                (column(left), column(right)),
                (column(left), constant(right)),
                (constant(left), column(right)),
                (constant(left), constant(right)),
            ];
            let results = forms.map(|(left, right)| {
                let result = double(operator, &left, &right).map_err(|error| error.to_string());
                result.map(|value| {
                    match ScalarValue::try_from_array(&value.to_array(1).unwrap(), 0) {
                        Ok(ScalarValue::Float64(value)) => value,
                        other => panic!("{other:?}"),
                    }
                })
            });
            assert!(results.iter().all(|one| one == &results[0]), "{results:?}");
            results[0].clone()
        };
        use Operator::{Divide, Minus, Multiply, Plus};
        assert!(of(Divide, Some(1.0), Some(0.0)).is_err());
        assert_eq!(of(Divide, None, Some(0.0)), Ok(None));
        assert_eq!(of(Divide, Some(1.0), Some(4.0)), Ok(Some(0.25)));
        assert!(of(Multiply, Some(1e200), Some(1e200)).is_err());
        assert!(of(Multiply, Some(1e-200), Some(1e-200)).is_err());
        assert!(of(Plus, Some(f64::MAX), Some(f64::MAX)).is_err());
        assert_eq!(of(Minus, Some(f64::MAX), Some(f64::MAX)), Ok(Some(0.0)));
        assert_eq!(
            of(Multiply, Some(f64::INFINITY), Some(2.0)),
            Ok(Some(f64::INFINITY))
        );
        assert_eq!(of(Divide, Some(2.0), Some(f64::INFINITY)), Ok(Some(0.0)));
        assert_eq!(of(Multiply, Some(0.0), Some(2.0)), Ok(Some(0.0)));
    }
}
