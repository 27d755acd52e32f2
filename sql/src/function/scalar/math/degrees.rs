//! DEGREES: radians as degrees.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const DEGREES: Scalar = Scalar {
    name: "degrees",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives radians as degrees",
        syntax: "DEGREES(angle)",
        arguments: &[("angle", "an angle in radians")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("degrees(pi())", "180"),
            ("degrees(0.5)", "28.6478897565412"),
            ("degrees(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.to_degrees()))
}
