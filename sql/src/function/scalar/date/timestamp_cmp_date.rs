//! TIMESTAMP_CMP_DATE: how a TIMESTAMP and a DATE are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const TIMESTAMP_CMP_DATE: Scalar = Scalar {
    name: "timestamp_cmp_date",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::Timestamp, Kind::Timestamp],
        Kind::Integer,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares a timestamp with a date",
        syntax: "TIMESTAMP_CMP_DATE(timestamp1, date2)",
        arguments: &[("timestamp1", "a timestamp"), ("date2", "a date")],
        returns: "INTEGER: -1 if the first is earlier, 0 if they are equal, 1 if it is later",
        examples: &[(
            "timestamp_cmp_date('2008-01-24 06:43:29', '2008-01-24')",
            "1",
        )],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::compare::compared(call)
}
