//! JSON_SERIALIZE_TO_VARBYTE: the bytes of the JSON text of a SUPER.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const JSON_SERIALIZE_TO_VARBYTE: Scalar = Scalar {
    name: "json_serialize_to_varbyte",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Varbyte)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a SUPER as the bytes of its JSON text",
        syntax: "JSON_SERIALIZE_TO_VARBYTE(super)",
        arguments: &[("super", "a SUPER")],
        returns: "VARBYTE",
        examples: &[
            (
                "from_varbyte(json_serialize_to_varbyte(json_parse('[1, 2]')), 'utf8')",
                "[1,2]",
            ),
            ("json_serialize_to_varbyte(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_bytes(|row| {
        let text = values.at(row).map(|text| value::of(text).text);
        Ok(text.map(|text| text.as_bytes().to_vec()))
    })
}
