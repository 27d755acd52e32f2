//! COT: the cotangent of an angle.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const COT: Scalar = Scalar {
    name: "cot",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the cotangent of an angle",
        syntax: "COT(angle)",
        arguments: &[("angle", "an angle in radians")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("round(cot(1)::numeric(10,6), 6)", "0.642093"),
            ("cot(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.tan().recip()))
}
