//! SYSDATE: the time, without parentheses.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const SYSDATE: Scalar = Scalar {
    name: "sysdate",
    aliases: &[],
    forms: &[Form::new(&[], Kind::Timestamp)],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the time at which the transaction began",
        syntax: "SYSDATE",
        arguments: &[],
        returns: "TIMESTAMP in the time zone of the session",
        examples: &[("sysdate > '2020-01-01'", "t")],
    },
    code: Code::Engine,
};
