//! SUBARRAY: a part of an array.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const SUBARRAY: Scalar = Scalar {
    name: "subarray",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::Super, Kind::BigInt, Kind::BigInt],
        Kind::Super,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Takes a part of an array",
        syntax: "SUBARRAY(array, start, length)",
        arguments: &[
            ("array", "an array"),
            ("start", "from 0; a negative one counts from the end"),
            ("length", "how many elements"),
        ],
        returns: "SUPER; an error if it is no array",
        examples: &[
            (
                "subarray(array('a', 'b', 'c', 'd', 'e', 'f'), 2, 3)",
                "[\"c\",\"d\",\"e\"]",
            ),
            ("subarray(array(1, 2, 3), -2, 5)", "[2,3]"),
            ("subarray(array(1), 0, 0)", "[]"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, starts, lengths) = (call.text(0)?, call.bigint(1)?, call.bigint(2)?);
    call.build_text(|row, out| {
        let (Some(text), Some(start), Some(length)) =
            (values.at(row), starts.at(row), lengths.at(row))
        else {
            return Ok(false);
        };
        let elements: Vec<&str> = value::elements("subarray", text)?.collect();
        let start = match usize::try_from(start) {
            Ok(start) => start,
            Err(_) => {
                let back = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
                elements.len().saturating_sub(back)
            }
        };
        let length = usize::try_from(length).unwrap_or(0);
        value::write_array(elements.into_iter().skip(start).take(length), out);
        Ok(true)
    })
}
