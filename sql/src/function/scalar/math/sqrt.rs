//! SQRT: the square root.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const SQRT: Scalar = Scalar {
    name: "sqrt",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the square root",
        syntax: "SQRT(number)",
        arguments: &[("number", "0 or more; others are errors")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("sqrt(16)", "4"),
            ("sqrt('16')", "4"),
            ("|/ 25", "5"),
            ("sqrt(round(16.4))", "4"),
            ("sqrt(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| {
        if number < 0.0 {
            return Err(double::refused(
                "cannot take square root of a negative number",
            ));
        }
        Ok(number.sqrt())
    })
}
