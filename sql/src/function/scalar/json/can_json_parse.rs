//! CAN_JSON_PARSE: whether a text is JSON.

use super::scan::parse;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const CAN_JSON_PARSE: Scalar = Scalar {
    name: "can_json_parse",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Tells whether a text is JSON",
        syntax: "CAN_JSON_PARSE(text)",
        arguments: &[("text", "the text")],
        returns: "BOOLEAN",
        examples: &[
            ("can_json_parse('[10001,10002,\"abc\"]')", "t"),
            ("can_json_parse('1')", "t"),
            ("can_json_parse('{')", "f"),
            ("can_json_parse(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_boolean(|row| Ok(texts.at(row).map(|text| parse(text).is_some())))
}
