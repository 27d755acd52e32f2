//! IS_DECIMAL: whether a SUPER is a number without an exponent.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_DECIMAL: Scalar = Scalar {
    name: "is_decimal",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is a number without an exponent",
        syntax: "IS_DECIMAL(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_decimal(json_parse('1.22'))", "t"),
            ("is_decimal(json_parse('2.22e+0'))", "f"),
            ("is_decimal(null)", "f"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_boolean(|row| {
        Ok(Some(values.at(row).is_some_and(|text| {
            value::is_kind(text, &["number"]) && !text.contains(['e', 'E'])
        })))
    })
}
