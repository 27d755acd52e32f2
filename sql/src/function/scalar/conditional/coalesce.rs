//! COALESCE, NVL: the first value that is not null.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const COALESCE: Scalar = Scalar {
    name: "coalesce",
    aliases: &["nvl"],
    forms: &[Form::new(&[Kind::Any], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives the first value that is not null; those behind it are not computed",
        syntax: "COALESCE(value, ...)",
        arguments: &[("value", "any number of values of one type")],
        returns: "the type of the values; null if all are",
        examples: &[
            ("coalesce(null, 12, null)", "12"),
            ("nvl(null, 'a')", "a"),
            ("nvl(null, null, 3)", "3"),
            ("coalesce(null, null::int)", "NULL"),
            ("coalesce(1, 1/0)", "1"),
        ],
    },
    code: Code::Engine,
};
