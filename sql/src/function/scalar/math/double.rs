//! What the functions of doubles share: one value from one or two, errors where there is none.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;

/// Computes a value of every row from one argument.
pub(super) fn unary(call: &Call<'_>, compute: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let numbers = call.double(0)?;
    call.build::<Float64Type>(|row| numbers.at(row).map(&compute).transpose())
}

/// Computes a value of every row from two arguments.
pub(super) fn binary(
    call: &Call<'_>,
    compute: impl Fn(f64, f64) -> Result<f64>,
) -> Result<ArrayRef> {
    let (left, right) = (call.double(0)?, call.double(1)?);
    call.build::<Float64Type>(|row| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else {
            return Ok(None);
        };
        compute(left, right).map(Some)
    })
}

/// A finite result of finite arguments, or the error of one too large.
pub(super) fn in_range(value: f64, finite: bool) -> Result<f64> {
    if value.is_infinite() && finite {
        return Err(Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "value out of range: overflow",
        ));
    }
    Ok(value)
}

/// The error of an argument that has no value.
pub(super) fn refused(message: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}
