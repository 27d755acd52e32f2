//! The limit of LISTAGG: its text is a VARCHAR(65535).

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use crate::types::VARCHAR_MAX;
use arrow::array::ArrayRef;

pub(super) const BLUESHIFT_LISTAGG: Scalar = Scalar {
    name: "blueshift_listagg",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Refuses a text of LISTAGG that is longer than a VARCHAR can be",
        syntax: "LISTAGG(text [, delimiter]) [WITHIN GROUP (ORDER BY ...)]",
        arguments: &[("text", "the joined texts")],
        returns: "VARCHAR",
        examples: &[("blueshift_listagg('a,b')", "a,b")],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_part(|row| {
        let text = texts.at(row);
        match text.map_or(0, str::len) {
            bytes if u32::try_from(bytes).is_ok_and(|bytes| bytes <= VARCHAR_MAX) => Ok(text),
            bytes => Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                "Result size exceeds LISTAGG limit",
            )
            .with_detail(format!(
                "The result has {bytes} bytes; the limit is {VARCHAR_MAX}."
            ))
            .with_hint("Join fewer values, or SET blueshift.comfort TO on")),
        }
    })
}
