//! JSON_SERIALIZE: the JSON text of a SUPER.

use crate::error::Error;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use crate::types::VARCHAR_MAX;
use arrow::array::ArrayRef;

pub(super) const JSON_SERIALIZE: Scalar = Scalar {
    name: "json_serialize",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a SUPER as a JSON text",
        syntax: "JSON_SERIALIZE(super)",
        arguments: &[("super", "a SUPER")],
        returns: "VARCHAR; an error if it is longer than 65535 bytes",
        examples: &[
            (
                "json_serialize(json_parse('[10001, 10002, \"abc\"]'))",
                "[10001,10002,\"abc\"]",
            ),
            ("json_serialize(array('a', 1.5))", "[\"a\",1.5]"),
            ("json_serialize(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_part(|row| match values.at(row) {
        Some(text) if text.len() > VARCHAR_MAX as usize => Err(Error::new(
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            "value too long for type character varying(65535)",
        )
        .with_detail(format!("The JSON text has {} bytes.", text.len()))
        .with_hint("Take parts of the value with its paths")),
        other => Ok(other),
    })
}
