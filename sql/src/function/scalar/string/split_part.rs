//! SPLIT_PART: one part of a text between delimiters.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;

pub(super) const SPLIT_PART: Scalar = Scalar {
    name: "split_part",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::Text, Kind::Text, Kind::BigInt],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Splits a text at a delimiter and gives one part",
        syntax: "SPLIT_PART(text, delimiter, number)",
        arguments: &[
            ("text", "the text to split"),
            ("delimiter", "what stands between the parts"),
            ("number", "which part, from 1"),
        ],
        returns: "VARCHAR; empty if there are fewer parts",
        examples: &[
            ("split_part('abc$def$ghi', '$', 2)", "def"),
            ("split_part('abc$def$ghi', '$', 4)", ""),
            ("split_part('abc$def$ghi', '#', 1)", "abc$def$ghi"),
            ("split_part('abc', null, 1)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, delimiters, numbers) = (call.text(0)?, call.text(1)?, call.bigint(2)?);
    call.build_part(|row| {
        let (Some(text), Some(delimiter), Some(number)) =
            (texts.at(row), delimiters.at(row), numbers.at(row))
        else {
            return Ok(None);
        };
        let skip = usize::try_from(number).ok();
        let Some(skip) = skip.and_then(|number| number.checked_sub(1)) else {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "field position must be greater than zero",
            ));
        };
        Ok(Some(if delimiter.is_empty() {
            if skip == 0 { text } else { "" }
        } else {
            text.split(delimiter).nth(skip).unwrap_or_default()
        }))
    })
}
