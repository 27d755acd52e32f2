//! DATE_CMP: how a DATE and a DATE are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const DATE_CMP: Scalar = Scalar {
    name: "date_cmp",
    aliases: &[],
    forms: &[Form::new(
        &[Kind::Timestamp, Kind::Timestamp],
        Kind::Integer,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares a date with a date",
        syntax: "DATE_CMP(date1, date2)",
        arguments: &[("date1", "a date"), ("date2", "a date")],
        returns: "INTEGER: -1 if the first is earlier, 0 if they are equal, 1 if it is later",
        examples: &[
            ("date_cmp('2008-01-03', '2008-01-04')", "-1"),
            ("date_cmp(date '2008-01-04', '2008-01-04')", "0"),
            ("date_cmp(null, '2008-01-04')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::compare::compared(call)
}
