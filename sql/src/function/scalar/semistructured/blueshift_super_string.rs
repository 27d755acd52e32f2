//! The text a SUPER is: what a comparison with a text reads.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const BLUESHIFT_SUPER_STRING: Scalar = Scalar {
    name: "blueshift_super_string",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the text that a SUPER is",
        syntax: "BLUESHIFT_SUPER_STRING(super)",
        arguments: &[("super", "a SUPER")],
        returns: "VARCHAR; null of anything but a text",
        examples: &[
            ("blueshift_super_string(json_parse('\"a\"'))", "a"),
            ("blueshift_super_string(json_parse('1'))", "NULL"),
            ("json_parse('\"a\"') = 'a'", "t"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_text(|row, out| match values.at(row) {
        Some(text) if value::is_kind(text, &["string"]) => {
            value::of(text).write(out);
            Ok(true)
        }
        _ => Ok(false),
    })
}
