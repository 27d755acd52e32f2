//! ROUND: the nearest number of so many places, halves away from zero.

use super::round_to::{Way, returns, rounded};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use arrow::array::ArrayRef;

pub(super) const ROUND: Scalar = Scalar {
    name: "round",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Number],
        optional: &[Kind::BigInt],
        repeated: None,
        returns: Returns::Types(returns),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the nearest number of so many places, halves away from zero",
        syntax: "ROUND(number [, places])",
        arguments: &[
            ("number", "a number"),
            (
                "places",
                "how many places after the point are kept; negative for tens, hundreds, ...",
            ),
        ],
        returns: "the type of the number; decimals with `places` places",
        examples: &[
            ("round(28.05)", "28"),
            ("round(28.05, 1)", "28.1"),
            ("round(28.05, -1)", "30"),
            ("round(-2.5)", "-3"),
            ("round(2.5::float8)", "3"),
            ("round(1234, -2)", "1200"),
            ("round(99.99, 1)", "100.0"),
            ("round(null, 1)", "NULL"),
            ("round(1.5, null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    rounded(call, Way::Half)
}
