//! TO_VARBYTE: a text in a format as bytes.

use super::coding::Coding;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const TO_VARBYTE: Scalar = Scalar {
    name: "to_varbyte",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Varbyte)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads bytes from a text",
        syntax: "TO_VARBYTE(text, format)",
        arguments: &[
            ("text", "the bytes, written in the format"),
            ("format", "hex, binary, utf8, utf-8 or base64, in any case"),
        ],
        returns: "VARBYTE",
        examples: &[
            ("to_varbyte('6162', 'hex')", "6162"),
            ("to_varbyte('01001101', 'binary')", "4d"),
            ("to_varbyte('a', 'utf8')", "61"),
            ("to_varbyte('4', 'HEX')", "04"),
            ("to_varbyte('YWJj', 'base64')", "616263"),
            ("to_varbyte(null, 'hex')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, formats) = (call.text(0)?, call.text(1)?);
    call.build_bytes(|row| match (texts.at(row), formats.at(row)) {
        (Some(text), Some(format)) => Coding::parse(format)?.read(text).map(Some),
        _ => Ok(None),
    })
}
