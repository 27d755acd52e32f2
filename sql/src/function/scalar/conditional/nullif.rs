//! NULLIF: null for a value that equals another.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const NULLIF: Scalar = Scalar {
    name: "nullif",
    aliases: &[],
    forms: &[Form::new(&[Kind::Any, Kind::Any], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives null if two values are equal, else the first",
        syntax: "NULLIF(value1, value2)",
        arguments: &[
            ("value1", "the result"),
            ("value2", "what it is compared with"),
        ],
        returns: "the type of `value1`",
        examples: &[
            ("nullif('a', 'a')", "NULL"),
            ("nullif('a', 'b')", "a"),
            ("nullif(null, 'b')", "NULL"),
            ("nullif(1, null)", "1"),
        ],
    },
    code: Code::Engine,
};
