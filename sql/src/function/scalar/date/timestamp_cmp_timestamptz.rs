//! TIMESTAMP_CMP_TIMESTAMPTZ: how a TIMESTAMP and a TIMESTAMPTZ are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const TIMESTAMP_CMP_TIMESTAMPTZ: Scalar = Scalar {
    name: "timestamp_cmp_timestamptz",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::TimestampTz, Kind::TimestampTz],
        Kind::Integer,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares a timestamp with a timestamptz",
        syntax: "TIMESTAMP_CMP_TIMESTAMPTZ(timestamp1, timestamptz2)",
        arguments: &[
            ("timestamp1", "a timestamp"),
            ("timestamptz2", "a timestamptz"),
        ],
        returns: "INTEGER: -1 if the first is earlier, 0 if they are equal, 1 if it is later",
        examples: &[
            (
                "timestamp_cmp_timestamptz('2008-01-24 06:43:29', '2008-01-24 06:43:29+00')",
                "0",
            ),
            (
                "timestamp_cmp_timestamptz('2008-01-24 06:43:29', '2008-02-18 02:36:48+00')",
                "-1",
            ),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::compare::compared(call)
}
