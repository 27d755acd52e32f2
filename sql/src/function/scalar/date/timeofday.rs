//! TIMEOFDAY: the time as text.

use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};

pub(super) const TIMEOFDAY: Scalar = Scalar {
    name: "timeofday",
    aliases: &[],
    forms: &[Form::new(&[], Kind::Text)],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the day of the week, date and time as text",
        syntax: "TIMEOFDAY()",
        arguments: &[],
        returns: "VARCHAR",
        examples: &[("len(timeofday()) > 30", "t")],
    },
    code: Code::Engine,
};
