//! GREATEST: the largest of several values.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const GREATEST: Scalar = Scalar {
    name: "greatest",
    aliases: &[],
    forms: &[Form::new(&[Kind::Any], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives the largest value; nulls are skipped",
        syntax: "GREATEST(value, ...)",
        arguments: &[("value", "any number of values of one type")],
        returns: "the type of the values; null if all are",
        examples: &[
            ("greatest(3, 1, 2)", "3"),
            ("greatest(null, 1, 2)", "2"),
            ("greatest('Lars', 'Ratliff')", "Ratliff"),
            ("greatest(null::int, null)", "NULL"),
        ],
    },
    code: Code::Engine,
};
