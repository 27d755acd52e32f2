//! IS_SMALLINT: whether a SUPER is a whole number of 16 bits.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_SMALLINT: Scalar = Scalar {
    name: "is_smallint",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is a whole number of 16 bits",
        syntax: "IS_SMALLINT(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_smallint(json_parse('5'))", "t"),
            ("is_smallint(json_parse('50000'))", "f"),
            ("is_smallint(null)", "f"),
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
                .is_some_and(|text| text.parse::<i16>().is_ok()),
        ))
    })
}
