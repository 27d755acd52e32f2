//! OBJECT: a SUPER object of keys and values.

use crate::error::Error;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::Returns;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;

pub(super) const OBJECT: Scalar = Scalar {
    name: "object",
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
        summary: "Makes an object of keys and values",
        syntax: "OBJECT([key, value, ...])",
        arguments: &[("key", "a text"), ("value", "anything but a date or time")],
        returns: "SUPER",
        examples: &[
            ("object()", "{}"),
            (
                "object('a', 1, 'b', true, 'c', 3.14)",
                "{\"a\":1,\"b\":true,\"c\":3.14}",
            ),
            (
                "object('a', object('aa', 1), 'b', array(2, 3))",
                "{\"a\":{\"aa\":1},\"b\":[2,3]}",
            ),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = (0..call.count()).map(|argument| call.text(argument));
    let values = values.collect::<Result<Vec<_>>>()?;
    if values.len() % 2 == 1 {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "OBJECT has a key without a value",
        )
        .with_hint("Write OBJECT(key, value, ...)"));
    }
    call.build_text(|row, out| {
        out.push('{');
        for (index, pair) in values.chunks_exact(2).enumerate() {
            let [key, value] = pair else { continue };
            let key = match key.at(row) {
                Some(key) if key.starts_with('"') => key,
                _ => {
                    return Err(Error::new(
                        SqlState::INVALID_PARAMETER_VALUE,
                        "a key of OBJECT is not a text",
                    )
                    .with_hint("Cast the key to VARCHAR, and replace null with NVL"));
                }
            };
            if index > 0 {
                out.push(',');
            }
            out.push_str(key);
            out.push(':');
            out.push_str(value.at(row).unwrap_or("null"));
        }
        out.push('}');
        Ok(true)
    })
}
