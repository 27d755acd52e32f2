//! GET_NUMBER_ATTRIBUTES: how many attributes an object has.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const GET_NUMBER_ATTRIBUTES: Scalar = Scalar {
    name: "get_number_attributes",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the attributes of an object",
        syntax: "GET_NUMBER_ATTRIBUTES(super)",
        arguments: &[("super", "a SUPER")],
        returns: "INTEGER; null of anything but an object",
        examples: &[
            (
                "get_number_attributes(json_parse('{\"a\":1,\"b\":[2]}'))",
                "2",
            ),
            ("get_number_attributes(object())", "0"),
            ("get_number_attributes(array(1))", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build::<Int32Type>(|row| {
        let object = values
            .at(row)
            .filter(|text| value::is_kind(text, &["object"]));
        let count = object.map(|text| value::of(text).members().count());
        Ok(count.and_then(|count| i32::try_from(count).ok()))
    })
}
