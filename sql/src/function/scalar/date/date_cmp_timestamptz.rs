//! DATE_CMP_TIMESTAMPTZ: how a DATE and a TIMESTAMPTZ are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const DATE_CMP_TIMESTAMPTZ: Scalar = Scalar {
    name: "date_cmp_timestamptz",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::TimestampTz, Kind::TimestampTz],
        Kind::Integer,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares a date with a timestamptz",
        syntax: "DATE_CMP_TIMESTAMPTZ(date1, timestamptz2)",
        arguments: &[("date1", "a date"), ("timestamptz2", "a timestamptz")],
        returns: "INTEGER: -1 if the first is earlier, 0 if they are equal, 1 if it is later",
        examples: &[(
            "date_cmp_timestamptz('2008-06-18', '2008-06-17 00:00:00+00')",
            "1",
        )],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::compare::compared(call)
}
