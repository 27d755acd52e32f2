//! LTRIM: characters taken off the start of a text.

use super::trim;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const LTRIM: Scalar = Scalar {
    name: "ltrim",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text],
        &[Kind::Text],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Takes characters off the start of a text",
        syntax: "LTRIM(text [, characters])",
        arguments: &[
            ("text", "the text"),
            ("characters", "a set of characters; blanks if not given"),
        ],
        returns: "VARCHAR",
        examples: &[
            ("ltrim('2008-01-24', '2008-')", "1-24"),
            ("ltrim('  a ')", "a "),
            ("trim(leading 'x' from 'xxax')", "ax"),
            ("ltrim(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    trim::trimmed(call, trim::Side::Left)
}
