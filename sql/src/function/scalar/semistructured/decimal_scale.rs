//! DECIMAL_SCALE: the digits after the point of a SUPER that is a decimal.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const DECIMAL_SCALE: Scalar = Scalar {
    name: "decimal_scale",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives how many digits a SUPER has after its point",
        syntax: "DECIMAL_SCALE(super)",
        arguments: &[("super", "a SUPER")],
        returns: "INTEGER; null of anything but a decimal",
        examples: &[
            ("decimal_scale(json_parse('1.22'))", "2"),
            ("decimal_scale(json_parse('12'))", "0"),
            ("decimal_scale(json_parse('true'))", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build::<Int32Type>(|row| {
        let digits = values.at(row).and_then(value::decimal_digits);
        Ok(digits.map(|(_, scale)| scale))
    })
}
