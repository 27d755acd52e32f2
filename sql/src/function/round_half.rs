//! Rounds a double to a whole number, halves to even, as a cast of a double to an integer does.

use super::adapter::{Scalar, first, scalar};
use arrow::array::{ArrayRef, Float64Array};
use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_common::cast::as_float64_array;
use datafusion_expr::{ScalarUDF, Volatility};
use std::sync::{Arc, LazyLock};

static ROUND: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    scalar(Scalar {
        name: "blueshift_round",
        aliases: &[],
        arguments: &[DataType::Float64],
        returns: DataType::Float64,
        volatility: Volatility::Immutable,
        eval: |args, _rows| -> Result<ArrayRef> {
            let rounded: Float64Array = as_float64_array(first(args)?)?.unary(f64::round_ties_even);
            Ok(Arc::new(rounded))
        },
    })
});

/// The function.
pub(crate) fn round() -> Arc<ScalarUDF> {
    Arc::clone(&ROUND)
}
