//! RTRIM: characters taken off the end of a text.

use super::trim;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const RTRIM: Scalar = Scalar {
    name: "rtrim",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text],
        &[Kind::Text],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Takes characters off the end of a text",
        syntax: "RTRIM(text [, characters])",
        arguments: &[
            ("text", "the text"),
            ("characters", "a set of characters; blanks if not given"),
        ],
        returns: "VARCHAR",
        examples: &[
            ("rtrim('Carnegie Park', 'krPa')", "Carnegie "),
            ("rtrim(' a  ')", " a"),
            ("rtrim('abcc', 'c')", "ab"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    trim::trimmed(call, trim::Side::Right)
}
