//! RADIANS: degrees as radians.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const RADIANS: Scalar = Scalar {
    name: "radians",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives degrees as radians",
        syntax: "RADIANS(number)",
        arguments: &[("number", "an angle in degrees")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("radians(180)", "3.14159265358979"),
            ("radians(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| Ok(number.to_radians()))
}
