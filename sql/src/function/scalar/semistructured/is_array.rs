//! IS_ARRAY: whether a SUPER is an array.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_ARRAY: Scalar = Scalar {
    name: "is_array",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is an array",
        syntax: "IS_ARRAY(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_array(array(1, 2))", "t"),
            ("is_array(json_parse('{}'))", "f"),
            ("is_array(null)", "f"),
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
                .is_some_and(|text| value::is_kind(text, &["array"])),
        ))
    })
}
