//! TIMESTAMPTZ_CMP: how a TIMESTAMPTZ and a TIMESTAMPTZ are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const TIMESTAMPTZ_CMP: Scalar = Scalar {
    name: "timestamptz_cmp",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::TimestampTz, Kind::TimestampTz],
        Kind::Integer,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares a timestamptz with a timestamptz",
        syntax: "TIMESTAMPTZ_CMP(timestamptz1, timestamptz2)",
        arguments: &[
            ("timestamptz1", "a timestamptz"),
            ("timestamptz2", "a timestamptz"),
        ],
        returns: "INTEGER: -1 if the first is earlier, 0 if they are equal, 1 if it is later",
        examples: &[(
            "timestamptz_cmp('2008-01-24 06:43:29+00', '2008-02-18 02:36:48+00')",
            "-1",
        )],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::compare::compared(call)
}
