//! A SUPER with another value in the place of a part of it: what a masking policy on a path shows.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::Returns;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const BLUESHIFT_SUPER_PUT: Scalar = Scalar {
    name: "blueshift_super_put",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Super, Kind::Super],
        optional: &[],
        repeated: Some(Kind::Text),
        returns: Returns::Kind(Kind::Super),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Puts another value in the place of a part of a SUPER",
        syntax: "BLUESHIFT_SUPER_PUT(super, value, key, ...)",
        arguments: &[
            ("super", "a SUPER"),
            (
                "value",
                "anything that can be in one; null is written as null",
            ),
            ("key", "the keys of the objects on the way to the part"),
        ],
        returns: "SUPER; as it was if there is no such part",
        examples: &[
            (
                "blueshift_super_put(json_parse('{\"a\":{\"b\":1,\"c\":2}}'), '***', 'a', 'b')",
                "{\"a\":{\"b\":\"***\",\"c\":2}}",
            ),
            (
                "blueshift_super_put(json_parse('{\"a\":1}'), null, 'a')",
                "{\"a\":null}",
            ),
            (
                "blueshift_super_put(json_parse('{\"a\":1}'), 2, 'b')",
                "{\"a\":1}",
            ),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, values) = (call.text(0)?, call.text(1)?);
    let keys = (2..call.count()).map(|argument| call.text(argument));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    call.build_text(|row, out| {
        let Some(text) = texts.at(row) else {
            return Ok(false);
        };
        let mut part = Some(value::of(text));
        for key in &keys {
            part = match (part, key.at(row)) {
                (Some(part), Some(key)) => part.get(key),
                _ => None,
            };
        }
        // A part is a slice of the text, so its place is known.
        let begin = part.map(|part| part.text.as_ptr() as usize - text.as_ptr() as usize);
        let end = begin.zip(part).map(|(begin, part)| begin + part.text.len());
        let around = begin
            .zip(end)
            .and_then(|(begin, end)| Some((text.get(..begin)?, text.get(end..)?)));
        match around {
            Some((before, behind)) => {
                out.push_str(before);
                out.push_str(values.at(row).unwrap_or("null"));
                out.push_str(behind);
            }
            None => out.push_str(text),
        }
        Ok(true)
    })
}
