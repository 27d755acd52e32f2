//! JSON_TYPEOF: what kind of value a SUPER is.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const JSON_TYPEOF: Scalar = Scalar {
    name: "json_typeof",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells the kind of a SUPER",
        syntax: "JSON_TYPEOF(super)",
        arguments: &[("super", "a SUPER")],
        returns: "VARCHAR: boolean, number, string, object, array or null",
        examples: &[
            ("json_typeof(array(1, 2))", "array"),
            ("json_typeof(json_parse('{\"name\":\"Joe\"}'))", "object"),
            ("json_typeof(json_parse('1.5'))", "number"),
            ("json_typeof(json_parse('true'))", "boolean"),
            ("json_typeof(json_parse('null'))", "null"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_part(|row| Ok(Some(value::kind(values.at(row).unwrap_or("null")))))
}
