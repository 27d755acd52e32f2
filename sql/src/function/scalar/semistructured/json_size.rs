//! JSON_SIZE: the bytes of the JSON text of a SUPER.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const JSON_SIZE: Scalar = Scalar {
    name: "json_size",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives how many bytes the JSON text of a SUPER has",
        syntax: "JSON_SIZE(super)",
        arguments: &[("super", "a SUPER")],
        returns: "INTEGER",
        examples: &[
            ("json_size(json_parse('[10001,10002,\"abc\"]'))", "19"),
            ("json_size(json_parse('5'))", "1"),
            ("json_size(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build::<Int32Type>(|row| {
        let size = values.at(row).map(|text| value::of(text).text.len());
        Ok(size.and_then(|size| i32::try_from(size).ok()))
    })
}
