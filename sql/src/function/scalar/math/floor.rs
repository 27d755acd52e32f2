//! FLOOR: the next whole number that is not more.

use super::round_to::{Way, returns, rounded};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use arrow::array::ArrayRef;

pub(super) const FLOOR: Scalar = Scalar {
    name: "floor",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Number],
        optional: &[],
        repeated: None,
        returns: Returns::Types(returns),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the next whole number that is not more",
        syntax: "FLOOR(number)",
        arguments: &[("number", "a number")],
        returns: "the type of the number; decimals without places",
        examples: &[
            ("floor(28.05)", "28"),
            ("floor(-28.05)", "-29"),
            ("floor(2)", "2"),
            ("floor(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    rounded(call, Way::Down)
}
