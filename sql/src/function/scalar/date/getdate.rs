//! GETDATE: when the statement began.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const GETDATE: Scalar = Scalar {
    name: "getdate",
    aliases: &[],
    forms: &[Form::new(&[], Kind::Timestamp)],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the time at which the statement began",
        syntax: "GETDATE()",
        arguments: &[],
        returns: "TIMESTAMP in the time zone of the session",
        examples: &[
            ("getdate() > '2020-01-01'", "t"),
            ("getdate() = getdate()", "t"),
        ],
    },
    code: Code::Engine,
};
