//! LEN: how many characters a text has, how many bytes a VARBYTE.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use arrow_schema::DataType;

pub(super) const LEN: Scalar = Scalar {
    name: "len",
    aliases: &["length", "char_length", "character_length", "textlen"],
    forms: &[
        Form::new(&[Kind::Text], Kind::Integer),
        Form::new(&[Kind::Varbyte], Kind::Integer),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the characters of a text, or the bytes of a VARBYTE",
        syntax: "LEN(text)",
        arguments: &[(
            "text",
            "a text, trailing blanks counted unless a CHAR column; or a VARBYTE",
        )],
        returns: "INTEGER",
        examples: &[
            ("len('Cat')", "3"),
            ("length('français')", "8"),
            ("char_length('cat   ')", "6"),
            ("character_length('')", "0"),
            ("textlen('Chancellor')", "10"),
            ("len(12345)", "5"),
            ("len(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let length = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    if matches!(call.ty(0), DataType::BinaryView) {
        let bytes = call.bytes(0)?;
        return call.build::<Int32Type>(|row| Ok(bytes.at(row).map(|bytes| length(bytes.len()))));
    }
    let texts = call.text(0)?;
    call.build::<Int32Type>(|row| Ok(texts.at(row).map(|text| length(characters(text)))))
}

/// Counts characters; ASCII has one byte each.
pub(in crate::function::scalar) fn characters(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}
