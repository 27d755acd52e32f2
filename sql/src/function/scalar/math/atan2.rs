//! ATAN2: the angle of a tangent given as a quotient.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const ATAN2: Scalar = Scalar {
    name: "atan2",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double, Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the angle of a point from the first axis",
        syntax: "ATAN2(y, x)",
        arguments: &[("y", "the dividend"), ("x", "the divisor")],
        returns: "DOUBLE PRECISION, in radians",
        examples: &[
            ("degrees(atan2(1, 1))", "45"),
            ("degrees(atan2(1, -1))", "135"),
            ("atan2(null, 1)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::binary(call, |y, x| Ok(y.atan2(x)))
}
