//! IS_INTEGER: whether a SUPER is a whole number of 32 bits.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_INTEGER: Scalar = Scalar {
    name: "is_integer",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is a whole number of 32 bits",
        syntax: "IS_INTEGER(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_integer(json_parse('5'))", "t"),
            ("is_integer(json_parse('5000000000'))", "f"),
            ("is_integer(null)", "f"),
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
                .is_some_and(|text| text.parse::<i32>().is_ok()),
        ))
    })
}
