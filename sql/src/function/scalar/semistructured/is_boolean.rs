//! IS_BOOLEAN: whether a SUPER is true or false.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_BOOLEAN: Scalar = Scalar {
    name: "is_boolean",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is true or false",
        syntax: "IS_BOOLEAN(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_boolean(json_parse('true'))", "t"),
            ("is_boolean(json_parse('1'))", "f"),
            ("is_boolean(null)", "f"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_boolean(|row| {
        Ok(Some(
            values
                .at(row)
                .is_some_and(|text| value::is_kind(text, &["boolean"])),
        ))
    })
}
