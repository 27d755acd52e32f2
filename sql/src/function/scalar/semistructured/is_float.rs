//! IS_FLOAT: whether a SUPER is a number with an exponent.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_FLOAT: Scalar = Scalar {
    name: "is_float",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is a number with an exponent",
        syntax: "IS_FLOAT(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_float(json_parse('2.22e+0'))", "t"),
            ("is_float(json_parse('1.22'))", "f"),
            ("is_float(null)", "f"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_boolean(|row| {
        Ok(Some(values.at(row).is_some_and(|text| {
            value::is_kind(text, &["number"]) && text.contains(['e', 'E'])
        })))
    })
}
