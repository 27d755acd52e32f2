//! ARRAY_CONCAT: one array behind another.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const ARRAY_CONCAT: Scalar = Scalar {
    name: "array_concat",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super, Kind::Super], Kind::Super)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Puts one array behind another",
        syntax: "ARRAY_CONCAT(first, second)",
        arguments: &[("first", "an array"), ("second", "an array")],
        returns: "SUPER; an error if one is no array",
        examples: &[
            (
                "array_concat(array(10001, 10002), array('ab', 'cd'))",
                "[10001,10002,\"ab\",\"cd\"]",
            ),
            ("array_concat(array(), array(1))", "[1]"),
            ("array_concat(array(1), null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (first, second) = (call.text(0)?, call.text(1)?);
    call.build_text(|row, out| match (first.at(row), second.at(row)) {
        (Some(first), Some(second)) => {
            let first = value::elements("array_concat", first)?;
            let second = value::elements("array_concat", second)?;
            value::write_array(first.chain(second), out);
            Ok(true)
        }
        _ => Ok(false),
    })
}
