//! JSON_PARSE: a JSON text as a SUPER.

use super::{duplicate, value};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::scalar::json::scan;
use arrow::array::ArrayRef;
use arrow_schema::DataType;

pub(super) const JSON_PARSE: Scalar = Scalar {
    name: "json_parse",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text], Kind::Super),
        Form::new(&[Kind::Varbyte], Kind::Super),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a JSON text as a SUPER",
        syntax: "JSON_PARSE(text)",
        arguments: &[("text", "a JSON text, as VARCHAR or VARBYTE")],
        returns: "SUPER; an error if the text is not JSON",
        examples: &[
            (
                "json_parse('[10001,10002,\"abc\"]')",
                "[10001,10002,\"abc\"]",
            ),
            ("json_parse('{ \"a\" : [ 1, null ] }')", "{\"a\":[1,null]}"),
            ("json_parse('1')", "1"),
            ("json_parse(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let read = |text: &str, out: &mut String| match scan::parse(text) {
        Some(parsed) => {
            value::compact(parsed.text, out);
            told_apart(call, out)
        }
        None if call.json.null_on_error => Ok(false),
        None => Err(scan::invalid("text", text)),
    };
    if call.ty(0) == DataType::BinaryView {
        let values = call.bytes(0)?;
        return call.build_text(|row, out| match values.at(row) {
            Some(bytes) => read(&String::from_utf8_lossy(bytes), out),
            None => Ok(false),
        });
    }
    let texts = call.text(0)?;
    call.build_text(|row, out| match texts.at(row) {
        Some(text) => read(text, out),
        None => Ok(false),
    })
}

/// Keeps the last of equal attributes of an object, if the session wants that; else they are an error.
fn told_apart(call: &Call<'_>, out: &mut String) -> Result<bool> {
    let repeated = duplicate::repeated(out);
    let Some(first) = repeated.first() else {
        return Ok(true);
    };
    if call.json.dedup {
        let text = std::mem::take(out);
        duplicate::without(&text, &repeated, out);
        return Ok(true);
    }
    if call.json.null_on_error {
        return Ok(false);
    }
    let member = out.get(first.clone()).unwrap_or_default();
    let key = member.split(':').next().unwrap_or_default();
    Err(scan::invalid("text", out)
        .with_detail(format!("An object has the attribute {key} more than once."))
        .with_hint("SET json_parse_dedup_attributes TO on keeps the last of them"))
}
