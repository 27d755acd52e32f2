//! GET_ARRAY_LENGTH: how many elements an array has.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int64Type;

pub(super) const GET_ARRAY_LENGTH: Scalar = Scalar {
    name: "get_array_length",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::BigInt)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the elements of an array",
        syntax: "GET_ARRAY_LENGTH(array)",
        arguments: &[("array", "an array")],
        returns: "BIGINT; null if it is no array",
        examples: &[
            (
                "get_array_length(array(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))",
                "10",
            ),
            ("get_array_length(array())", "0"),
            ("get_array_length(json_parse('{}'))", "NULL"),
            ("get_array_length(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build::<Int64Type>(|row| {
        let elements = values
            .at(row)
            .map(|text| value::elements("get_array_length", text));
        Ok(elements
            .and_then(Result::ok)
            .and_then(|elements| i64::try_from(elements.count()).ok()))
    })
}
