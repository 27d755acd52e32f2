//! IS_BIGINT: whether a SUPER is a whole number of 64 bits.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_BIGINT: Scalar = Scalar {
    name: "is_bigint",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is a whole number of 64 bits",
        syntax: "IS_BIGINT(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_bigint(json_parse('5000000000'))", "t"),
            ("is_bigint(json_parse('1.5'))", "f"),
            ("is_bigint(null)", "f"),
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
                .is_some_and(|text| text.parse::<i64>().is_ok()),
        ))
    })
}
