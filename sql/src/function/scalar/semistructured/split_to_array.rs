//! SPLIT_TO_ARRAY: the parts of a text as an array.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const SPLIT_TO_ARRAY: Scalar = Scalar {
    name: "split_to_array",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text],
        &[Kind::Text],
        Kind::Super,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Splits a text into an array",
        syntax: "SPLIT_TO_ARRAY(text [, delimiter])",
        arguments: &[
            ("text", "the text"),
            ("delimiter", "what parts its parts; a comma unless given"),
        ],
        returns: "SUPER, an array of texts",
        examples: &[
            (
                "split_to_array('12|345|6789', '|')",
                "[\"12\",\"345\",\"6789\"]",
            ),
            ("split_to_array('a,b')", "[\"a\",\"b\"]"),
            ("split_to_array(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let delimiters = match call.count() {
        1 => None,
        _ => Some(call.text(1)?),
    };
    call.build_text(|row, out| {
        let delimiter = match &delimiters {
            Some(delimiters) => delimiters.at(row),
            None => Some(","),
        };
        let (Some(text), Some(delimiter)) = (texts.at(row), delimiter) else {
            return Ok(false);
        };
        out.push('[');
        let whole = [text];
        let parts: Vec<&str> = match delimiter {
            "" => whole.to_vec(),
            delimiter => text.split(delimiter).collect(),
        };
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            value::quote(part, out);
        }
        out.push(']');
        Ok(true)
    })
}
