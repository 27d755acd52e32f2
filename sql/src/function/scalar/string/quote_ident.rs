//! QUOTE_IDENT: a text as an identifier.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const QUOTE_IDENT: Scalar = Scalar {
    name: "quote_ident",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a text as an identifier, in quotation marks if it needs them",
        syntax: "QUOTE_IDENT(text)",
        arguments: &[("text", "the text")],
        returns: "VARCHAR",
        examples: &[
            ("quote_ident('Venue')", "\"Venue\""),
            ("quote_ident('venue_1')", "venue_1"),
            ("quote_ident('a\"b')", "\"a\"\"b\""),
            ("quote_ident('2nd')", "\"2nd\""),
            ("quote_ident('')", "\"\""),
            ("quote_ident(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_text(|row, out| {
        let Some(text) = texts.at(row) else {
            return Ok(false);
        };
        let plain = text.starts_with(|ch: char| ch.is_ascii_lowercase() || ch == '_')
            && text
                .chars()
                .all(|ch| ch.is_ascii_lowercase() || ch.is_ascii_digit() || ch == '_');
        if plain {
            out.push_str(text);
            return Ok(true);
        }
        out.push('"');
        for letter in text.chars() {
            if letter == '"' {
                out.push('"');
            }
            out.push(letter);
        }
        out.push('"');
        Ok(true)
    })
}
