//! CEIL: the next whole number that is not less.

use super::round_to::{Way, returns, rounded};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use arrow::array::ArrayRef;

pub(super) const CEIL: Scalar = Scalar {
    name: "ceil",
    aliases: &["ceiling"],
    forms: &[Form {
        arguments: &[Kind::Number],
        optional: &[],
        repeated: None,
        returns: Returns::Types(returns),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the next whole number that is not less",
        syntax: "CEIL(number)",
        arguments: &[("number", "a number")],
        returns: "the type of the number; decimals without places",
        examples: &[
            ("ceil(28.05)", "29"),
            ("ceiling(-28.05)", "-28"),
            ("ceil(2)", "2"),
            ("ceil('1.2'::float8)", "2"),
            ("ceil(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    rounded(call, Way::Up)
}
