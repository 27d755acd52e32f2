//! The number a SUPER is: what a comparison with a number reads.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;

pub(in crate::function) const BLUESHIFT_SUPER_NUMBER: Scalar = Scalar {
    name: "blueshift_super_number",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the number that a SUPER is",
        syntax: "BLUESHIFT_SUPER_NUMBER(super)",
        arguments: &[("super", "a SUPER")],
        returns: "DOUBLE PRECISION; null of anything but a number",
        examples: &[
            ("blueshift_super_number(json_parse('1.5'))", "1.5"),
            ("blueshift_super_number(json_parse('\"1\"'))", "NULL"),
            ("json_parse('3') > 2", "t"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build::<Float64Type>(|row| {
        let number = values
            .at(row)
            .filter(|text| value::is_kind(text, &["number"]));
        Ok(number.and_then(|text| text.parse().ok()))
    })
}
