//! LEFT: the first characters of a text.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const LEFT: Scalar = Scalar {
    name: "left",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::BigInt], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the first characters of a text",
        syntax: "LEFT(text, count)",
        arguments: &[("text", "the text"), ("count", "how many characters")],
        returns: "VARCHAR; empty if `count` is 0 or less",
        examples: &[
            ("left('Chicago', 5)", "Chica"),
            ("left('Straße', 5)", "Straß"),
            ("left('a', 5)", "a"),
            ("left('a', 0)", ""),
            ("left(null, 1)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.bigint(1)?);
    call.build_part(|row| {
        let (Some(text), Some(count)) = (texts.at(row), counts.at(row)) else {
            return Ok(None);
        };
        let count = usize::try_from(count).unwrap_or(0);
        Ok(Some({
            let end = text
                .char_indices()
                .nth(count)
                .map_or(text.len(), |(at, _)| at);
            text.get(..end).unwrap_or_default()
        }))
    })
}
