//! OCTETINDEX: where a text stands in another, in bytes.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const OCTETINDEX: Scalar = Scalar {
    name: "octetindex",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Finds the first place of a text in another, in bytes",
        syntax: "OCTETINDEX(part, text)",
        arguments: &[
            ("part", "what is looked for"),
            ("text", "where it is looked for"),
        ],
        returns: "INTEGER, in bytes from 1; 0 if it is not there",
        examples: &[
            ("octetindex('AWS', 'Amazon AWS')", "8"),
            ("octetindex('AWS', 'Άμαζον AWS')", "14"),
            ("octetindex('x', 'abc')", "0"),
            ("octetindex(null, 'abc')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (parts, texts) = (call.text(0)?, call.text(1)?);
    call.build::<Int32Type>(|row| {
        let (Some(part), Some(text)) = (parts.at(row), texts.at(row)) else {
            return Ok(None);
        };
        let place = text.find(part).map_or(0, |at| at + 1);
        Ok(i32::try_from(place).ok())
    })
}
