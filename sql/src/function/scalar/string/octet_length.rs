//! OCTET_LENGTH: how many bytes a text has.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use arrow_schema::DataType;

pub(super) const OCTET_LENGTH: Scalar = Scalar {
    name: "octet_length",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text], Kind::Integer),
        Form::new(&[Kind::Varbyte], Kind::Integer),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the bytes of a text or VARBYTE",
        syntax: "OCTET_LENGTH(text)",
        arguments: &[("text", "a text or VARBYTE")],
        returns: "INTEGER",
        examples: &[
            ("octet_length('français')", "9"),
            ("octet_length('a  ')", "3"),
            ("octet_length(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let length = |bytes: usize| i32::try_from(bytes).ok();
    if matches!(call.ty(0), DataType::BinaryView) {
        let values = call.bytes(0)?;
        return call
            .build::<Int32Type>(|row| Ok(values.at(row).and_then(|bytes| length(bytes.len()))));
    }
    let texts = call.text(0)?;
    call.build::<Int32Type>(|row| Ok(texts.at(row).and_then(|text| length(text.len()))))
}
