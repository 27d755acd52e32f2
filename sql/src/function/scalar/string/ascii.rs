//! ASCII: the code point of the first character.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const ASCII: Scalar = Scalar {
    name: "ascii",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the code point of the first character",
        syntax: "ASCII(text)",
        arguments: &[("text", "the text")],
        returns: "INTEGER; 0 of an empty text",
        examples: &[
            ("ascii('amazon')", "97"),
            ("ascii('Amazon')", "65"),
            ("ascii('é')", "233"),
            ("ascii('')", "0"),
            ("ascii(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build::<Int32Type>(|row| {
        let first = texts
            .at(row)
            .map(|text| text.chars().next().map_or(0, u32::from));
        Ok(first.and_then(|code| i32::try_from(code).ok()))
    })
}
