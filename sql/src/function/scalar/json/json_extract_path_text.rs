//! JSON_EXTRACT_PATH_TEXT: the value under keys of a JSON object.

use super::scan::{Shape, checked};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow_schema::DataType;

pub(super) const JSON_EXTRACT_PATH_TEXT: Scalar = Scalar {
    name: "json_extract_path_text",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text, Kind::Text], Kind::Text),
        Form::new(&[Kind::Text, Kind::Text, Kind::Boolean], Kind::Text),
        Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text),
        Form::new(
            &[Kind::Text, Kind::Text, Kind::Text, Kind::Boolean],
            Kind::Text,
        ),
        Form::new(
            &[Kind::Text, Kind::Text, Kind::Text, Kind::Text],
            Kind::Text,
        ),
        Form::new(
            &[
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Boolean,
            ],
            Kind::Text,
        ),
        Form::new(
            &[Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Text],
            Kind::Text,
        ),
        Form::new(
            &[
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Boolean,
            ],
            Kind::Text,
        ),
        Form::new(
            &[
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
            ],
            Kind::Text,
        ),
        Form::new(
            &[
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Text,
                Kind::Boolean,
            ],
            Kind::Text,
        ),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the value at the end of a path of keys in a JSON text",
        syntax: "JSON_EXTRACT_PATH_TEXT(json, key [, key ...] [, null_if_invalid])",
        arguments: &[
            ("json", "a text of JSON"),
            (
                "key",
                "up to five keys, each in the value of the one before; case counts",
            ),
            (
                "null_if_invalid",
                "true: null for a text that is not JSON; false, the default: an error",
            ),
        ],
        returns: "VARCHAR; null if a key is not there or its value is null",
        examples: &[
            (
                "json_extract_path_text('{\"f2\":{\"f3\":1},\"f4\":{\"f5\":99,\"f6\":\"star\"}}', 'f4', 'f6')",
                "star",
            ),
            (
                "json_extract_path_text('{\"f2\":{\"f3\":1},\"f4\":{\"f5\":99,\"f6\":\"star\"}', 'f4', 'f6', true)",
                "NULL",
            ),
            (
                "json_extract_path_text('{\"farm\": {\"barn\": {\"color\": \"red\", \"feed stocked\": true}}}', 'farm', 'barn', 'color')",
                "red",
            ),
            (
                "json_extract_path_text('{\"farm\": {\"barn\": {}}}', 'farm', 'barn', 'color')",
                "NULL",
            ),
            (
                "json_extract_path_text('{\"a\": [1, {\"b\": 2}]}', 'a')",
                "[1, {\"b\": 2}]",
            ),
            ("json_extract_path_text('{\"a\": 1.50}', 'a')", "1.50"),
            ("json_extract_path_text(null, 'a')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let last = call.count().saturating_sub(1);
    let flagged = call.ty(last) == DataType::Boolean;
    let flags = flagged.then(|| call.boolean(last)).transpose()?;
    let count = if flagged { last } else { call.count() };
    let keys = (1..count).map(|key| call.text(key));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    call.build_text(|row, out| {
        let Some(text) = texts.at(row) else {
            return Ok(false);
        };
        let lenient = flags
            .as_ref()
            .and_then(|flags| flags.at(row))
            .unwrap_or(false);
        let mut value = checked(text, Some(Shape::Object), "object", lenient)?;
        for key in &keys {
            let Some(key) = key.at(row) else {
                return Ok(false);
            };
            value = value.and_then(|value| value.get(key));
        }
        match value.filter(|value| value.shape() != Shape::Null) {
            Some(value) => value.write(out),
            None => return Ok(false),
        }
        Ok(true)
    })
}
