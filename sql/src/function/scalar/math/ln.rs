//! LN: the natural logarithm.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const LN: Scalar = Scalar {
    name: "ln",
    aliases: &["dlog1"],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the natural logarithm",
        syntax: "LN(number)",
        arguments: &[("number", "more than 0; others are errors")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("ln(2.718281828)", "0.999999999831127"),
            ("dlog1(1)", "0"),
            ("ln(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| {
        if number > 0.0 || number.is_nan() {
            Ok(number.ln())
        } else if number == 0.0 {
            Err(double::refused("cannot take logarithm of zero"))
        } else {
            Err(double::refused(
                "cannot take logarithm of a negative number",
            ))
        }
    })
}
