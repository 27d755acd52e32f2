//! ASIN: the angle of a sine.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const ASIN: Scalar = Scalar {
    name: "asin",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the angle of a sine",
        syntax: "ASIN(number)",
        arguments: &[("number", "from -1 to 1; others are errors")],
        returns: "DOUBLE PRECISION",
        examples: &[("asin(0)", "0"), ("degrees(asin(1))", "90")],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| {
        if (-1.0..=1.0).contains(&number) || number.is_nan() {
            Ok(number.asin())
        } else {
            Err(double::refused("input is out of range"))
        }
    })
}
