//! EXP: e to a power.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const EXP: Scalar = Scalar {
    name: "exp",
    aliases: &["dexp"],
    forms: &[Form::new(&[Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives e to a power",
        syntax: "EXP(number)",
        arguments: &[("number", "a number")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("exp(0)", "1"),
            ("dexp(1)", "2.71828182845905"),
            ("exp(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::unary(call, |number| {
        double::in_range(number.exp(), number.is_finite())
    })
}
