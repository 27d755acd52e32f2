//! QUOTE_LITERAL: a text as a literal.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const QUOTE_LITERAL: Scalar = Scalar {
    name: "quote_literal",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a text as a literal in quotes",
        syntax: "QUOTE_LITERAL(text)",
        arguments: &[("text", "the text")],
        returns: "VARCHAR; quotes and backslashes are doubled",
        examples: &[
            ("quote_literal('abc')", "'abc'"),
            ("quote_literal('it''s')", "'it''s'"),
            ("quote_literal(10)", "'10'"),
            ("quote_literal(null)", "NULL"),
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
        out.push('\'');
        for letter in text.chars() {
            if matches!(letter, '\'' | '\\') {
                out.push(letter);
            }
            out.push(letter);
        }
        out.push('\'');
        Ok(true)
    })
}
