//! TAN: the tangent of an angle.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const TAN: Scalar = Scalar {
    name: "tan",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the tangent of an angle",
        syntax: "TAN(angle)",
        arguments: &[("angle", "an angle in radians")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("tan(0)", "0"),
            ("round(tan(radians(45))::numeric(10,5), 5)", "1.00000"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.tan()))
}
