//! LEAST: the smallest of several values.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const LEAST: Scalar = Scalar {
    name: "least",
    aliases: &[],
    forms: &[Form::new(&[Kind::Any], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives the smallest value; nulls are skipped",
        syntax: "LEAST(value, ...)",
        arguments: &[("value", "any number of values of one type")],
        returns: "the type of the values; null if all are",
        examples: &[
            ("least(3, 1, 2)", "1"),
            ("least(null, 1, 2)", "1"),
            ("least('Lars', 'Ratliff')", "Lars"),
            ("least(null::int, null)", "NULL"),
        ],
    },
    code: Code::Engine,
};
