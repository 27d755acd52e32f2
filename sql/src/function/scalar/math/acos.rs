//! ACOS: the angle of a cosine.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const ACOS: Scalar = Scalar {
    name: "acos",
    aliases: &[],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the angle of a cosine",
        syntax: "ACOS(number)",
        arguments: &[("number", "from -1 to 1; others are errors")],
        returns: "DOUBLE PRECISION",
        examples: &[("acos(1)", "0"), ("degrees(acos(-1))", "180")],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| {
        if (-1.0..=1.0).contains(&number) || number.is_nan() {
            Ok(number.acos())
        } else {
            Err(double::refused("input is out of range"))
        }
    })
}
