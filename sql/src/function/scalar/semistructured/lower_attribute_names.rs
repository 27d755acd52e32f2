//! LOWER_ATTRIBUTE_NAMES: the names of all attributes in lower case.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const LOWER_ATTRIBUTE_NAMES: Scalar = Scalar {
    name: "lower_attribute_names",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Super)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes the names of all attributes in lower case",
        syntax: "LOWER_ATTRIBUTE_NAMES(super)",
        arguments: &[("super", "a SUPER")],
        returns: "SUPER; values stay as they are",
        examples: &[
            (
                "lower_attribute_names(json_parse('{\"A\":{\"Bc\":[\"D\"]}}'))",
                "{\"a\":{\"bc\":[\"D\"]}}",
            ),
            ("lower_attribute_names(array(1))", "[1]"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_text(|row, out| match values.at(row) {
        Some(text) => {
            value::with_names(text, |name, out| out.push_str(&name.to_lowercase()), out);
            Ok(true)
        }
        None => Ok(false),
    })
}
