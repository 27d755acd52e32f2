//! ARRAY: a SUPER array of values.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::Returns;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const ARRAY: Scalar = Scalar {
    name: "array",
    aliases: &[],
    forms: &[Form {
        arguments: &[],
        optional: &[],
        repeated: Some(Kind::Super),
        returns: Returns::Kind(Kind::Super),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Makes an array of values",
        syntax: "ARRAY([value, ...])",
        arguments: &[("value", "anything but a date or time")],
        returns: "SUPER",
        examples: &[
            ("array(1, 50, null, 100)", "[1,50,null,100]"),
            ("array(1, 'abc', true, 3.14)", "[1,\"abc\",true,3.14]"),
            ("array()", "[]"),
            ("array(array(1), json_parse('{}'))", "[[1],{}]"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = (0..call.count()).map(|argument| call.text(argument));
    let values = values.collect::<Result<Vec<_>>>()?;
    call.build_text(|row, out| {
        value::write_array(
            values.iter().map(|column| column.at(row).unwrap_or("null")),
            out,
        );
        Ok(true)
    })
}
