//! ATAN: the angle of a tangent.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const ATAN: Scalar = Scalar {
    name: "atan",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the angle of a tangent",
        syntax: "ATAN(number)",
        arguments: &[("number", "a number")],
        returns: "DOUBLE PRECISION",
        examples: &[("degrees(atan(1))", "45"), ("atan(null)", "NULL")],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.atan()))
}
