//! What CEIL, FLOOR, ROUND and TRUNC share: a number brought to so many places.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

/// The way to the nearest number of so many places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
    /// To the nearest, halves away from zero.
    Half,
    TowardZero,
}

/// The type of the result: that of the number, decimals with as many places as asked for.
pub(super) fn returns(types: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(match types.first() {
        Some(DataType::Decimal128(digits, scale)) => {
            let scale = match (types.len(), constants.get(1).copied().flatten()) {
                (1, _) => 0,
                (_, Some(places)) => kept(places, *scale),
                // Rows may ask for different places.
                (_, None) => *scale,
            };
            // Rounding up may need one more digit.
            DataType::Decimal128(digits.saturating_add(1).min(38), scale)
        }
        Some(ty) => ty.clone(),
        None => DataType::Int32,
    })
}

fn kept(places: &ScalarValue, scale: i8) -> i8 {
    let places = match places.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(places))) => places,
        _ => 0,
    };
    i8::try_from(places.clamp(0, scale.into())).unwrap_or(scale)
}

/// Rounds the first argument to the places of the second, or to none.
pub(super) fn rounded(call: &Call<'_>, way: Way) -> Result<ArrayRef> {
    let places = (call.count() > 1).then(|| call.bigint(1)).transpose()?;
    let places = |row: usize| match &places {
        None => Some(0),
        Some(places) => places.at(row),
    };
    macro_rules! whole {
        ($ty:ty) => {{
            let numbers = call.primitive::<$ty>(0)?;
            call.build::<$ty>(|row| {
                let (Some(number), Some(places)) = (numbers.at(row), places(row)) else {
                    return Ok(None);
                };
                let number = digits(number.into(), 0, places, 0, way)?;
                number.try_into().map(Some).map_err(|_| out_of_range())
            })
        }};
    }
    match (call.ty(0), call.returns) {
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) => {
            let numbers = call.decimal(0)?;
            let (from, to) = (i64::from(from), i64::from(*to));
            call.build::<Decimal128Type>(|row| {
                let (Some(number), Some(places)) = (numbers.at(row), places(row)) else {
                    return Ok(None);
                };
                digits(number, from, places, to, way).map(Some)
            })
        }
        (DataType::Int16, _) => whole!(Int16Type),
        (DataType::Int32, _) => whole!(Int32Type),
        (DataType::Int64, _) => whole!(Int64Type),
        (DataType::Float32, _) => {
            let numbers = call.primitive::<Float32Type>(0)?;
            call.build::<Float32Type>(|row| {
                let (Some(number), Some(places)) = (numbers.at(row), places(row)) else {
                    return Ok(None);
                };
                #[expect(clippy::cast_possible_truncation, reason = "the result is a REAL")]
                let number = double(number.into(), places, way) as f32;
                Ok(Some(number))
            })
        }
        _ => {
            let numbers = call.double(0)?;
            call.build::<Float64Type>(|row| {
                let (Some(number), Some(places)) = (numbers.at(row), places(row)) else {
                    return Ok(None);
                };
                Ok(Some(double(number, places, way)))
            })
        }
    }
}

fn out_of_range() -> Error {
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        "numeric value out of range",
    )
    .with_hint("Cast the number to a wider type")
}

fn power(exponent: i64) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// Rounds `number`, which has `from` places, to `places`; the result has `to`.
fn digits(number: i128, from: i64, places: i64, to: i64, way: Way) -> Result<i128> {
    let dropped = from - places;
    let rounded = if dropped <= 0 {
        number
    } else {
        match power(dropped) {
            // Nothing is left of a number with fewer digits.
            None => 0,
            Some(unit) => {
                let quotient = number / unit;
                let rest = number % unit;
                let step = match way {
                    Way::Up => i128::from(rest > 0),
                    Way::Down => -i128::from(rest < 0),
                    Way::TowardZero => 0,
                    Way::Half if rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) => {
                        number.signum()
                    }
                    Way::Half => 0,
                };
                (quotient + step)
                    .checked_mul(unit)
                    .ok_or_else(out_of_range)?
            }
        }
    };
    match power((from - to).abs()) {
        Some(unit) if from >= to => Ok(rounded / unit),
        Some(unit) => rounded.checked_mul(unit).ok_or_else(out_of_range),
        None => Err(out_of_range()),
    }
}

/// Rounds a double; places beyond its digits change nothing.
fn double(number: f64, places: i64, way: Way) -> f64 {
    let whole = |number: f64| match way {
        Way::Up => number.ceil(),
        Way::Down => number.floor(),
        Way::TowardZero => number.trunc(),
        Way::Half => number.round(),
    };
    let Ok(exponent) = i32::try_from(places.clamp(-400, 400)) else {
        return number;
    };
    if exponent == 0 {
        return whole(number);
    }
    let unit = 10_f64.powi(exponent.abs());
    let result = if exponent > 0 {
        whole(number * unit) / unit
    } else {
        whole(number / unit) * unit
    };
    if result.is_finite() {
        result
    } else if exponent > 0 {
        number
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Way, digits};

    #[test]
    fn digits_are_rounded_exactly() {
        for (number, from, places, to, way, expected) in [
            (2_805, 2, 1, 1, Way::Half, 281),
            (-2_805, 2, 1, 1, Way::Half, -281),
            (2_805, 2, -1, 0, Way::Half, 30),
            (2_805, 2, 0, 0, Way::Up, 29),
            (-2_805, 2, 0, 0, Way::Up, -28),
            (-2_805, 2, 0, 0, Way::Down, -29),
            (11_115, 2, -1, 0, Way::TowardZero, 110),
            (5, 0, -1, 0, Way::Half, 10),
            (4, 0, -1, 0, Way::Half, 0),
            (i128::MAX, 0, -50, 0, Way::Half, 0),
            (2_805, 2, 5, 2, Way::Half, 2_805),
        ] {
            assert_eq!(digits(number, from, places, to, way).ok(), Some(expected));
        }
    }
}
