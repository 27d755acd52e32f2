//! LPAD: a text brought to a length, filled up before.

use super::pad;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const LPAD: Scalar = Scalar {
    name: "lpad",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::BigInt],
        &[Kind::Text],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Brings a text to a length; what is missing stands before it",
        syntax: "LPAD(text, length [, fill])",
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
            ("lpad('Salome', 10)", "    Salome"),
            ("lpad('caterpillar', 5)", "cater"),
            ("lpad('1', 5, '0')", "00001"),
            ("lpad('abc', 8, 'xy')", "xyxyxabc"),
            ("lpad('abc', -1)", ""),
            ("lpad('abc', 5, '')", "abc"),
            ("lpad(null, 5)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    pad::padded(call, true)
}
