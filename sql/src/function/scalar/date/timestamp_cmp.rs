//! TIMESTAMP_CMP: how a TIMESTAMP and a TIMESTAMP are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const TIMESTAMP_CMP: Scalar = Scalar {
    name: "timestamp_cmp",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::Timestamp, Kind::Timestamp],
        Kind::Integer,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares a timestamp with a timestamp",
        syntax: "TIMESTAMP_CMP(timestamp1, timestamp2)",
        arguments: &[("timestamp1", "a timestamp"), ("timestamp2", "a timestamp")],
        returns: "INTEGER: -1 if the first is earlier, 0 if they are equal, 1 if it is later",
        examples: &[
            (
                "timestamp_cmp('2008-01-24 06:43:29', '2008-01-24 06:43:29')",
                "0",
            ),
            (
                "timestamp_cmp('2008-01-24 06:43:29', '2008-02-18 02:36:48')",
                "-1",
            ),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::compare::compared(call)
}
