//! FROM_VARBYTE: bytes as a text in a format.

use super::coding::Coding;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow_schema::DataType;

pub(super) const FROM_VARBYTE: Scalar = Scalar {
    name: "from_varbyte",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Varbyte, Kind::Text], Kind::Text),
        Form::new(&[Kind::Text, Kind::Text], Kind::Text),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes bytes as a text",
        syntax: "FROM_VARBYTE(bytes, format)",
        arguments: &[
            ("bytes", "a VARBYTE; of a text, its bytes"),
            ("format", "hex, binary, utf8, utf-8 or base64, in any case"),
        ],
        returns: "VARCHAR; an error if the bytes are no text and the format is utf8",
        examples: &[
            ("from_varbyte('ab', 'hex')", "6162"),
            ("from_varbyte(from_hex('4d'), 'binary')", "01001101"),
            ("from_varbyte('abc'::varbyte, 'utf-8')", "abc"),
            ("from_varbyte('abcd'::varbyte, 'base64')", "YWJjZA=="),
            ("from_varbyte(null, 'hex')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let formats = call.text(1)?;
    let write = |bytes: Option<&[u8]>, row: usize, out: &mut String| match (bytes, formats.at(row))
    {
        (Some(bytes), Some(format)) => {
            Coding::parse(format)?.write(bytes, out)?;
            Ok(true)
        }
        _ => Ok(false),
    };
    if call.ty(0) == DataType::BinaryView {
        let values = call.bytes(0)?;
        return call.build_text(|row, out| write(values.at(row), row, out));
    }
    let values = call.text(0)?;
    call.build_text(|row, out| write(values.at(row).map(str::as_bytes), row, out))
}
