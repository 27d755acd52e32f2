//! RIGHT: the last characters of a text.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const RIGHT: Scalar = Scalar {
    name: "right",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::BigInt], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the last characters of a text",
        syntax: "RIGHT(text, count)",
        arguments: &[("text", "the text"), ("count", "how many characters")],
        returns: "VARCHAR; empty if `count` is 0 or less",
        examples: &[
            ("right('Chicago', 5)", "icago"),
            ("right('Straße', 2)", "ße"),
            ("right('a', 5)", "a"),
            ("right('a', 0)", ""),
            ("right('a', null)", "NULL"),
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
            let start = match count.checked_sub(1) {
                Some(before) => text.char_indices().nth_back(before).map_or(0, |(at, _)| at),
                None => text.len(),
            };
            text.get(start..).unwrap_or_default()
        }))
    })
}
