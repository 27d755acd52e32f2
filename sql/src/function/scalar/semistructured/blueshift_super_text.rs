//! The text of a SUPER that is a scalar: what a cast of it reads.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const BLUESHIFT_SUPER_TEXT: Scalar = Scalar {
    name: "blueshift_super_text",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the text of a SUPER that is cast to another type",
        syntax: "BLUESHIFT_SUPER_TEXT(super)",
        arguments: &[("super", "a SUPER")],
        returns: "VARCHAR: a text without its quotes, a number or truth value as it is written; null of arrays, objects and a JSON null",
        examples: &[
            ("blueshift_super_text(json_parse('\"abc\"'))", "abc"),
            ("blueshift_super_text(array(1))", "NULL"),
            ("blueshift_super_text(json_parse('null'))", "NULL"),
            ("json_parse('\"12\"')::int + 1", "13"),
            ("json_parse('\"2020-01-31\"')::date", "2020-01-31"),
            ("json_parse('\"Good\"')::int", "NULL"),
            ("json_parse('1.7')::int", "2"),
            ("json_parse('{\"a\":1}')::varchar", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_text(|row, out| match values.at(row) {
        None | Some("null") => Ok(false),
        Some(text) if value::is_kind(text, &["array", "object"]) => Ok(false),
        Some(text) => {
            value::of(text).write(out);
            Ok(true)
        }
    })
}
