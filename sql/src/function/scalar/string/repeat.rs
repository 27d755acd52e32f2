//! REPEAT: a text several times over.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use crate::types::VARCHAR_MAX;
use arrow::array::ArrayRef;

pub(super) const REPEAT: Scalar = Scalar {
    name: "repeat",
    aliases: &["replicate"],
    forms: &[Form::new(&[Kind::Text, Kind::BigInt], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Repeats a text",
        syntax: "REPEAT(text, count)",
        arguments: &[("text", "the text"), ("count", "how many times")],
        returns: "VARCHAR; empty if `count` is 0 or less",
        examples: &[
            ("repeat('ab', 3)", "ababab"),
            ("replicate(10, 3)", "101010"),
            ("repeat('a', -1)", ""),
            ("repeat(null, 2)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.bigint(1)?);
    let limit = usize::try_from(VARCHAR_MAX).unwrap_or(usize::MAX);
    call.build_text(|row, out| {
        let (Some(text), Some(count)) = (texts.at(row), counts.at(row)) else {
            return Ok(false);
        };
        let count = usize::try_from(count).unwrap_or(0);
        if text.len().saturating_mul(count) > limit {
            return Err(too_long());
        }
        out.extend(std::iter::repeat_n(text, count));
        Ok(true)
    })
}

/// The error of a result longer than any VARCHAR.
pub(super) fn too_long() -> Error {
    Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        "the result is longer than a VARCHAR can be",
    )
    .with_detail(format!("A VARCHAR has {VARCHAR_MAX} bytes at most."))
    .with_hint("Ask for fewer characters")
}
