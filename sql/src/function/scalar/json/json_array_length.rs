//! JSON_ARRAY_LENGTH: how many elements a JSON array has.

use super::scan::{Shape, checked};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const JSON_ARRAY_LENGTH: Scalar = Scalar {
    name: "json_array_length",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text],
        &[Kind::Boolean],
        Kind::Integer,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the elements of a JSON array, not those of arrays within",
        syntax: "JSON_ARRAY_LENGTH(json [, null_if_invalid])",
        arguments: &[
            ("json", "a text of JSON"),
            (
                "null_if_invalid",
                "true: null for a text that is not JSON; false, the default: an error",
            ),
        ],
        returns: "INTEGER",
        examples: &[
            (
                "json_array_length('[11,12,13,{\"f1\":21,\"f2\":[25,26]},14]')",
                "5",
            ),
            (
                "json_array_length('[11,12,13,{\"f1\":21,\"f2\":[25,26]},14', true)",
                "NULL",
            ),
            ("json_array_length('[]')", "0"),
            ("json_array_length(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let flags = (call.count() > 1).then(|| call.boolean(1)).transpose()?;
    call.build::<Int32Type>(|row| {
        let Some(text) = texts.at(row) else {
            return Ok(None);
        };
        let lenient = flags
            .as_ref()
            .and_then(|flags| flags.at(row))
            .unwrap_or(false);
        let array = checked(text, Some(Shape::Array), "array", lenient)?;
        Ok(array.and_then(|array| i32::try_from(array.members().count()).ok()))
    })
}
