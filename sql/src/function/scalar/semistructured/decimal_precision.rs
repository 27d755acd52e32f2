//! DECIMAL_PRECISION: the digits of a SUPER that is a decimal.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const DECIMAL_PRECISION: Scalar = Scalar {
    name: "decimal_precision",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives how many digits a SUPER has that is a decimal",
        syntax: "DECIMAL_PRECISION(super)",
        arguments: &[("super", "a SUPER")],
        returns: "INTEGER; null of anything but a decimal",
        examples: &[
            ("decimal_precision(json_parse('1.22'))", "3"),
            ("decimal_precision(json_parse('-12'))", "2"),
            ("decimal_precision(json_parse('1e2'))", "NULL"),
            ("decimal_precision(json_parse('[1]'))", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build::<Int32Type>(|row| {
        let digits = values.at(row).and_then(value::decimal_digits);
        Ok(digits.map(|(precision, _)| precision))
    })
}
