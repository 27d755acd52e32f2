//! DATE_CMP_TIMESTAMP: how a DATE and a TIMESTAMP are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const DATE_CMP_TIMESTAMP: Scalar = Scalar {
    name: "date_cmp_timestamp",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::Timestamp, Kind::Timestamp],
        Kind::Integer,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares a date with a timestamp",
        syntax: "DATE_CMP_TIMESTAMP(date1, timestamp2)",
        arguments: &[("date1", "a date"), ("timestamp2", "a timestamp")],
        returns: "INTEGER: -1 if the first is earlier, 0 if they are equal, 1 if it is later",
        examples: &[
            (
                "date_cmp_timestamp('2008-06-18', '2008-06-18 02:36:48')",
                "-1",
            ),
            (
                "date_cmp_timestamp('2008-06-18', '2008-06-18 00:00:00')",
                "0",
            ),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::compare::compared(call)
}
