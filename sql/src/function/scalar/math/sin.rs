//! SIN: the sine of an angle.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const SIN: Scalar = Scalar {
    name: "sin",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the sine of an angle",
        syntax: "SIN(angle)",
        arguments: &[("angle", "an angle in radians")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("sin(0)", "0"),
            ("sin(radians(30))", "0.5"),
            ("sin(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.sin()))
}
