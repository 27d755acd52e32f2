//! CBRT: the cube root.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const CBRT: Scalar = Scalar {
    name: "cbrt",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the cube root",
        syntax: "CBRT(number)",
        arguments: &[("number", "a number")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("cbrt(27)", "3"),
            ("cbrt(-8)", "-2"),
            ("||/ 64", "4"),
            ("cbrt(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.cbrt()))
}
