//! UPPER: letters in upper case.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const UPPER: Scalar = Scalar {
    name: "upper",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes letters in upper case",
        syntax: "UPPER(text)",
        arguments: &[("text", "the text")],
        returns: "VARCHAR",
        examples: &[("upper('Sales é')", "SALES É"), ("upper(null)", "NULL")],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_text(|row, out| {
        let Some(text) = texts.at(row) else {
            return Ok(false);
        };
        if text.is_ascii() {
            out.push_str(text);
            out.make_ascii_uppercase();
        } else {
            out.extend(text.chars().map(single));
        }
        Ok(true)
    })
}

/// One character for one, so that lengths stay.
fn single(letter: char) -> char {
    let mut other = letter.to_uppercase();
    match (other.next(), other.next()) {
        (Some(other), None) => other,
        _ => letter,
    }
}
