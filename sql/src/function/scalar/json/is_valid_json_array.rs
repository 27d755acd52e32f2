//! IS_VALID_JSON_ARRAY: whether a text is an array of JSON.

use super::scan::{Shape, parse};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_VALID_JSON_ARRAY: Scalar = Scalar {
    name: "is_valid_json_array",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Tells whether a text is an array of JSON",
        syntax: "IS_VALID_JSON_ARRAY(text)",
        arguments: &[("text", "the text")],
        returns: "BOOLEAN",
        examples: &[
            ("is_valid_json_array('[]')", "t"),
            (
                "is_valid_json_array('[\"a\",[\"b\",1,[\"c\",2,3,null]]]')",
                "t",
            ),
            ("is_valid_json_array('{\"a\":1}')", "f"),
            ("is_valid_json_array('a')", "f"),
            ("is_valid_json_array('[1,2,]')", "f"),
            ("is_valid_json_array(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_boolean(|row| {
        Ok(texts
            .at(row)
            .map(|text| parse(text).is_some_and(|value| value.shape() == Shape::Array)))
    })
}
