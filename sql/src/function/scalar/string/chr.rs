//! CHR: the character of a code point.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const CHR: Scalar = Scalar {
    name: "chr",
    aliases: &[],
    forms: &[Form::new(&[Kind::BigInt], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the character of a code point",
        syntax: "CHR(number)",
        arguments: &[("number", "a code point: of ASCII up to 127")],
        returns: "VARCHAR; null if there is no such character",
        examples: &[
            ("chr(65)", "A"),
            ("chr(233)", "é"),
            ("chr(-1)", "NULL"),
            ("chr(0)", "NULL"),
            ("chr(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = call.bigint(0)?;
    call.build_text(|row, out| {
        let code = numbers.at(row).filter(|code| *code > 0);
        let code = code.and_then(|code| u32::try_from(code).ok());
        let letter = code.and_then(char::from_u32);
        out.extend(letter);
        Ok(letter.is_some())
    })
}
