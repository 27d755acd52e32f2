//! RPAD: a text brought to a length, filled up behind.

use super::pad;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const RPAD: Scalar = Scalar {
    name: "rpad",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::BigInt],
        &[Kind::Text],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Brings a text to a length; what is missing stands behind it",
        syntax: "RPAD(text, length [, fill])",
        arguments: &[
            ("text", "the text"),
            (
                "length",
                "characters of the result; longer texts are cut at the end",
            ),
            (
                "fill",
                "what it is filled up with, again and again; blanks if not given",
            ),
        ],
        returns: "VARCHAR; empty if `length` is 0 or less",
        examples: &[
            ("rpad('Salome', 20, '0123456789')", "Salome01234567890123"),
            ("rpad('caterpillar', 5)", "cater"),
            ("rpad('é', 3, '-')", "é--"),
            ("rpad('abc', 0)", ""),
            ("rpad('abc', null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    pad::padded(call, false)
}
