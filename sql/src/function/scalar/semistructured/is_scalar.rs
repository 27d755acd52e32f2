//! IS_SCALAR: whether a SUPER is neither an array nor an object, nor null.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_SCALAR: Scalar = Scalar {
    name: "is_scalar",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is neither an array nor an object, nor null",
        syntax: "IS_SCALAR(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_scalar(json_parse('1'))", "t"),
            ("is_scalar(array(1))", "f"),
            ("is_scalar(null)", "f"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_boolean(|row| {
        Ok(Some(values.at(row).is_some_and(|text| {
            value::is_kind(text, &["boolean", "number", "string"])
        })))
    })
}
