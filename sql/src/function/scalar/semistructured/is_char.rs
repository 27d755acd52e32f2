//! IS_CHAR: whether a SUPER is a text of one-byte characters.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_CHAR: Scalar = Scalar {
    name: "is_char",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is a text of one-byte characters",
        syntax: "IS_CHAR(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_char(json_parse('\"abc\"'))", "t"),
            ("is_char(json_parse('\"é\"'))", "f"),
            ("is_char(null)", "f"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_boolean(|row| {
        Ok(Some(values.at(row).is_some_and(|text| {
            value::is_kind(text, &["string"]) && text.is_ascii()
        })))
    })
}
