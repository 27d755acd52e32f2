//! What a cast to VARCHAR gives of a moment or a number of floating point, which the engine writes otherwise.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const TEXT: Scalar = Scalar {
    name: "blueshift_text",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    // A TIMESTAMPTZ shows the clocks of the session.
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a value as a client sees it, as CAST(value AS VARCHAR)",
        syntax: "BLUESHIFT_TEXT(value)",
        arguments: &[("value", "any value")],
        returns: "VARCHAR",
        examples: &[
            (
                "cast(timestamp '2024-05-17 08:09:10' as varchar)",
                "2024-05-17 08:09:10",
            ),
            (
                "timestamp '2024-05-17 08:09:10.5'::varchar(30)",
                "2024-05-17 08:09:10.5",
            ),
            (
                "'at ' || timestamp '2024-05-17 08:09:10'",
                "at 2024-05-17 08:09:10",
            ),
            (
                "timestamptz '2024-05-17 08:09:10+00'::varchar",
                "2024-05-17 08:09:10+00",
            ),
            ("1e20::float8::varchar", "1e+20"),
            ("timestamp '2024-05-17 08:09:10'::char(10)", "2024-05-17"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    // The argument is a text by now.
    let texts = call.text(0)?;
    call.build_text(|row, out| {
        Ok(texts.at(row).is_some_and(|text| {
            out.push_str(text);
            true
        }))
    })
}
