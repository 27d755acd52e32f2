//! NVL2: one of two values by whether a third is null.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const NVL2: Scalar = Scalar {
    name: "nvl2",
    aliases: &[],
    forms: &[Form::new(&[Kind::Any, Kind::Any, Kind::Any], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives one value if an expression is not null, another if it is",
        syntax: "NVL2(value, not_null, null)",
        arguments: &[
            ("value", "what is tested"),
            ("not_null", "the result if it is not null"),
            ("null", "the result if it is"),
        ],
        returns: "the type of the results",
        examples: &[
            ("nvl2('x', 'a', 'b')", "a"),
            ("nvl2(null, 'a', 'b')", "b"),
            ("nvl2(null, 1, null)", "NULL"),
        ],
    },
    code: Code::Engine,
};
