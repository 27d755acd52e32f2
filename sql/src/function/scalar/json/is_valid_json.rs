//! IS_VALID_JSON: whether a text is an object of JSON.

use super::scan::{Shape, parse};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_VALID_JSON: Scalar = Scalar {
    name: "is_valid_json",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Tells whether a text is an object of JSON",
        syntax: "IS_VALID_JSON(text)",
        arguments: &[("text", "the text")],
        returns: "BOOLEAN",
        examples: &[
            ("is_valid_json('{\"a\":2}')", "t"),
            ("is_valid_json('{\"a\": [1,2,\"b\"]}')", "t"),
            ("is_valid_json('{{}}')", "f"),
            ("is_valid_json('{1:\"a\"}')", "f"),
            ("is_valid_json('[1,2,3]')", "f"),
            ("is_valid_json(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_boolean(|row| {
        Ok(texts
            .at(row)
            .map(|text| parse(text).is_some_and(|value| value.shape() == Shape::Object)))
    })
}
