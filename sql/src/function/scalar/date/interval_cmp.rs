//! INTERVAL_CMP: which of two intervals is longer.

use super::calendar::DAY;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::{Int32Type, IntervalMonthDayNano};

pub(super) const INTERVAL_CMP: Scalar = Scalar {
    name: "interval_cmp",
    aliases: &[],
    forms: &[Form::new(&[Kind::Interval, Kind::Interval], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares two intervals",
        syntax: "INTERVAL_CMP(interval1, interval2)",
        arguments: &[("interval1", "an interval"), ("interval2", "an interval")],
        returns: "INTEGER: -1, 0 or 1; a month has 30 days",
        examples: &[
            ("interval_cmp('3 days', '1 year')", "-1"),
            ("interval_cmp('7 days', '1 week')", "0"),
            ("interval_cmp(interval '2 days', interval '1 day')", "1"),
            ("interval_cmp(null, '1 day')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.interval(0)?, call.interval(1)?);
    call.build::<Int32Type>(|row| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else {
            return Ok(None);
        };
        Ok(Some(length(left).cmp(&length(right)) as i32))
    })
}

/// The nanoseconds of an interval.
fn length(interval: IntervalMonthDayNano) -> i128 {
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    days * i128::from(DAY) * 1_000 + i128::from(interval.nanoseconds)
}
