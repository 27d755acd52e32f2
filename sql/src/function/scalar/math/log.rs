//! LOG: the logarithm of base 10.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const LOG: Scalar = Scalar {
    name: "log",
    aliases: &["dlog10", "log10"],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the logarithm of base 10",
        syntax: "LOG(number)",
        arguments: &[("number", "more than 0; others are errors")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("log(100)", "2"),
            ("dlog10(1000)", "3"),
            ("log(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| {
        if number > 0.0 || number.is_nan() {
            Ok(number.log10())
        } else if number == 0.0 {
            Err(double::refused("cannot take logarithm of zero"))
        } else {
            Err(double::refused(
                "cannot take logarithm of a negative number",
            ))
        }
    })
}
