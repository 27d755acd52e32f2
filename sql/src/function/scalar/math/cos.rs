//! COS: the cosine of an angle.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const COS: Scalar = Scalar {
    name: "cos",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the cosine of an angle",
        syntax: "COS(angle)",
        arguments: &[("angle", "an angle in radians")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("cos(0)", "1"),
            ("cos(radians(60))", "0.5"),
            ("cos(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.cos()))
}
