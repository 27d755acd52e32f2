//! JSON_EXTRACT_ARRAY_ELEMENT_TEXT: an element of a JSON array.

use super::scan::{Shape, checked};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const JSON_EXTRACT_ARRAY_ELEMENT_TEXT: Scalar = Scalar {
    name: "json_extract_array_element_text",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::BigInt],
        &[Kind::Boolean],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives an element of a JSON array",
        syntax: "JSON_EXTRACT_ARRAY_ELEMENT_TEXT(json, position [, null_if_invalid])",
        arguments: &[
            ("json", "a text of JSON"),
            ("position", "the element, from 0"),
            (
                "null_if_invalid",
                "true: null for a text that is not JSON; false, the default: an error",
            ),
        ],
        returns: "VARCHAR; null if there is no such element or it is null",
        examples: &[
            ("json_extract_array_element_text('[111,112,113]', 2)", "113"),
            (
                "json_extract_array_element_text('[\"a\",[\"b\",1,[\"c\",2,3,null,]]]', 1, true)",
                "NULL",
            ),
            (
                "json_extract_array_element_text('[\"a\",[\"b\",1]]', 1)",
                "[\"b\",1]",
            ),
            ("json_extract_array_element_text('[1]', 5)", "NULL"),
            ("json_extract_array_element_text('[1]', -1)", "NULL"),
            ("json_extract_array_element_text(null, 0)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, places) = (call.text(0)?, call.bigint(1)?);
    let flags = (call.count() > 2).then(|| call.boolean(2)).transpose()?;
    call.build_text(|row, out| {
        let (Some(text), Some(place)) = (texts.at(row), places.at(row)) else {
            return Ok(false);
        };
        let lenient = flags
            .as_ref()
            .and_then(|flags| flags.at(row))
            .unwrap_or(false);
        let array = checked(text, Some(Shape::Array), "array", lenient)?;
        let element = usize::try_from(place).ok().zip(array);
        let element = element.and_then(|(place, array)| array.members().nth(place));
        match element.filter(|(_, value)| value.shape() != Shape::Null) {
            Some((_, value)) => value.write(out),
            None => return Ok(false),
        }
        Ok(true)
    })
}
