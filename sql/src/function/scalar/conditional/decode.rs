//! DECODE: the result beside the first value that is equal.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const DECODE: Scalar = Scalar {
    name: "decode",
    aliases: &[],
    forms: &[Form::new(&[Kind::Any], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Compares an expression with values in turn and gives the result beside the first that is equal; null equals null",
        syntax: "DECODE(expression, value, result, ... [, default])",
        arguments: &[
            ("expression", "what is compared"),
            ("value", "what it is compared with"),
            ("result", "the result if they are equal"),
            (
                "default",
                "the result if no value is equal; null if not given",
            ),
        ],
        returns: "the type of the results",
        examples: &[
            ("decode(2, 1, 'one', 2, 'two')", "two"),
            ("decode(null, null, 'none', 'some')", "none"),
            ("decode('x', 'a', 1, 0)", "0"),
            ("decode('x', 'a', 1)", "NULL"),
            ("decode(null, 1, 'one', 'other')", "other"),
        ],
    },
    code: Code::Engine,
};
