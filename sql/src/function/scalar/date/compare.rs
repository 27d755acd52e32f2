//! What the functions that compare dates and timestamps share.

use crate::error::Result;
use crate::function::call::Call;
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

/// Compares two arguments that are both TIMESTAMP or both TIMESTAMPTZ: -1, 0 or 1.
pub(super) fn compared(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.timestamp(0)?, call.timestamp(1)?);
    call.build::<Int32Type>(|row| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else {
            return Ok(None);
        };
        Ok(Some(left.cmp(&right) as i32))
    })
}
