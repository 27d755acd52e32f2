//! `/` of decimals, with the precision and scale the manual gives it ("Computations with numeric values").

use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::{Array, AsArray, Decimal128Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::i256;
use arrow::error::ArrowError;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::{Arc, LazyLock};

/// The name of the function.
pub(super) const NAME: &str = "blueshift_divide";
const MAX_PRECISION: i16 = 38;
/// Digits after the point that a quotient has at least.
const MIN_SCALE: i16 = 4;

static QUOTIENT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(Quotient {
        signature: Signature::any(2, Volatility::Immutable),
    }))
});

/// Gives the function of two decimals: null if one is null, 22012 for a divisor of zero, 22003 if the quotient does not
/// fit; the last digit is rounded half away from zero.
pub(crate) fn quotient() -> Arc<ScalarUDF> {
    Arc::clone(&QUOTIENT)
}

/// Gives precision and scale of a quotient.
fn shape(dividend: (u8, i8), divisor: (u8, i8)) -> (u8, i8) {
    let (p1, s1) = (i16::from(dividend.0), i16::from(dividend.1));
    let (p2, s2) = (i16::from(divisor.0), i16::from(divisor.1));
    let mut scale = MIN_SCALE.max(s1 + p2 - s2 + 1);
    let mut precision = p1 - s1 + s2 + scale;
    if precision > MAX_PRECISION {
        scale = (MAX_PRECISION + scale - precision).max(MIN_SCALE);
        precision = MAX_PRECISION;
    }
    let scale = scale.min(MAX_PRECISION - 1);
    (
        u8::try_from(precision).unwrap_or(38),
        i8::try_from(scale).unwrap_or(4),
    )
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quotient {
    signature: Signature,
}

impl ScalarUDFImpl for Quotient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)] => {
                let (precision, scale) = shape((*p1, *s1), (*p2, *s2));
                Ok(DataType::Decimal128(precision, scale))
            }
            _ => datafusion_common::plan_err!("{NAME} takes two decimals"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_constant { 1 } else { args.number_rows };
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else {
            return datafusion_common::exec_err!("{NAME} takes two decimals");
        };
        let result = divide(left.as_primitive(), right.as_primitive(), rows)?;
        if all_constant {
            return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}

fn divide(left: &Decimal128Array, right: &Decimal128Array, rows: usize) -> Result<Decimal128Array> {
    let (precision, scale) = shape(
        (left.precision(), left.scale()),
        (right.precision(), right.scale()),
    );
    let shift = i32::from(scale) - i32::from(left.scale()) + i32::from(right.scale());
    let power = |digits: i32| i256::from_i128(10).checked_pow(digits.max(0).unsigned_abs());
    let (Some(widen), Some(narrow)) = (power(shift), power(-shift)) else {
        return Err(overflow());
    };
    let bound = 10_i128.pow(u32::from(precision));
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let mut results = Vec::with_capacity(rows);
    for (row, (dividend, divisor)) in left.values().iter().zip(right.values().iter()).enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            results.push(0);
            continue;
        }
        if *divisor == 0 {
            return Err(ArrowError::DivideByZero.into());
        }
        let value = small(*dividend, *divisor, widen, narrow)
            .or_else(|| large(*dividend, *divisor, widen, narrow))
            .filter(|value| value.unsigned_abs() < bound.unsigned_abs());
        results.push(value.ok_or_else(overflow)?);
    }
    let results = Decimal128Array::new(results.into(), nulls);
    Ok(results.with_precision_and_scale(precision, scale)?)
}

/// Divides where all intermediate values fit 128 bits.
fn small(dividend: i128, divisor: i128, widen: i256, narrow: i256) -> Option<i128> {
    let dividend = dividend.checked_mul(widen.to_i128()?)?;
    let divisor = divisor.checked_mul(narrow.to_i128()?)?;
    let (quotient, rest) = match (i64::try_from(dividend), i64::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => (
            i128::from(dividend.checked_div(divisor)?),
            i128::from(dividend.checked_rem(divisor)?),
        ),
        _ => (
            dividend.checked_div(divisor)?,
            dividend.checked_rem(divisor)?,
        ),
    };
    let away = rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2);
    let sign = if (dividend < 0) == (divisor < 0) {
        1
    } else {
        -1
    };
    Some(if away { quotient + sign } else { quotient })
}

fn large(dividend: i128, divisor: i128, widen: i256, narrow: i256) -> Option<i128> {
    let wide = i256::from_i128(dividend).checked_mul(widen)?;
    let by = i256::from_i128(divisor).checked_mul(narrow)?;
    let quotient = wide.checked_div(by)?.to_i128()?;
    let rest = wide.checked_rem(by)?.wrapping_abs();
    // Compared without doubling, which might not fit.
    let away = rest >= by.wrapping_abs().checked_sub(rest)?;
    let sign = if (dividend < 0) == (divisor < 0) {
        1
    } else {
        -1
    };
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

    #[test]
    fn shapes_are_those_of_the_manual() {
        assert_eq!(shape((8, 2), (8, 2)), (17, 9));
        assert_eq!(shape((2, 1), (10, 0)), (13, 12));
        // Beyond 38 digits those after the point give way.
        assert_eq!(shape((38, 6), (38, 4)), (38, 4));
    }

    fn of(dividend: (i128, u8, i8), divisor: (i128, u8, i8)) -> Result<i128> {
        let array = |(value, precision, scale)| {
            Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale)
        };
        Ok(divide(&array(dividend)?, &array(divisor)?, 1)?.value(0))
    }

    #[test]
    fn the_last_digit_is_rounded() {
        // 2 / 3 with 4 digits or more
        assert_eq!(of((2, 1, 0), (3, 1, 0)).unwrap(), 6667);
        assert_eq!(of((-2, 1, 0), (3, 1, 0)).unwrap(), -6667);
        assert_eq!(of((-1, 1, 0), (-3, 1, 0)).unwrap(), 3333);
        assert_eq!(of((1, 1, 0), (8, 1, 0)).unwrap(), 1250);
        let nines = 10_i128.pow(38) - 1;
        assert_eq!(of((nines, 38, 30), (1, 1, 0)).unwrap(), nines);
        assert!(of((nines, 38, 0), (1, 38, 37)).is_err());
        assert!(of((1, 1, 0), (0, 1, 0)).is_err());
    }

    #[test]
    fn both_ways_of_dividing_agree() {
        let one = i256::ONE;
        for dividend in [-1_000_001_i128, -7, 0, 1, 5, 999_999_999_999_999_999] {
            for divisor in [-3_i128, -2, 1, 2, 7, 1 << 70] {
                for widen in [one, i256::from_i128(10), i256::from_i128(1_000_000)] {
                    let small = small(dividend, divisor, widen, one);
                    assert_eq!(
                        small,
                        large(dividend, divisor, widen, one),
                        "{dividend} / {divisor}"
                    );
                }
            }
        }
    }
}
