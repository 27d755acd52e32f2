//! REVERSE: the characters from the end.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const REVERSE: Scalar = Scalar {
    name: "reverse",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes the characters of a text from the end",
        syntax: "REVERSE(text)",
        arguments: &[("text", "a text, number, date or timestamp")],
        returns: "VARCHAR",
        examples: &[
            ("reverse('abc')", "cba"),
            ("reverse('Straße')", "eßartS"),
            ("reverse(321)", "123"),
            ("reverse(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_text(|row, out| {
        let text = texts.at(row);
        out.extend(text.iter().flat_map(|text| text.chars().rev()));
        Ok(text.is_some())
    })
}
