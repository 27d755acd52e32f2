//! The product of an interval and a number.

use super::calendar::DAY;
use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;
use arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType};

pub(super) const BLUESHIFT_INTERVAL_TIMES: Scalar = Scalar {
    name: "blueshift_interval_times",
    aliases: &[],
    forms: &[Form::new(&[Kind::Interval, Kind::Double], Kind::Interval)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Multiplies an interval by a number",
        syntax: "interval * number",
        arguments: &[("interval", "an interval"), ("number", "a number")],
        returns: "INTERVAL; fractions of a month are days of 30 a month, fractions of a day are hours",
        examples: &[
            (
                "timestamp '1970-01-01' + 1199217600 * interval '1 second'",
                "2008-01-01 20:00:00",
            ),
            (
                "timestamp '2026-01-01' + interval '1 month' * 2",
                "2026-03-01 00:00:00",
            ),
            (
                "timestamp '2026-01-01' + 1.5 * interval '1 day'",
                "2026-01-02 12:00:00",
            ),
            (
                "timestamp '2026-01-01' + null::int * interval '1 day'",
                "NULL",
            ),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (intervals, numbers) = (call.interval(0)?, call.double(1)?);
    call.build::<IntervalMonthDayNanoType>(|row| {
        let (Some(interval), Some(number)) = (intervals.at(row), numbers.at(row)) else {
            return Ok(None);
        };
        times(interval, number).map(Some)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the range is checked; a product beyond 2^53 nanoseconds is rounded to what a double holds"
)]
fn times(interval: IntervalMonthDayNano, number: f64) -> Result<IntervalMonthDayNano> {
    let months = f64::from(interval.months) * number;
    let days = f64::from(interval.days) * number + months.fract() * 30.0;
    // Whole microseconds of the sum: a quotient comes as a product with an inverse that is not exact.
    let rest = days.fract() * DAY as f64;
    let time = interval.nanoseconds as f64 / 1_000.0 * number;
    let nanoseconds = (time + rest).round() * 1_000.0;
    let fits = |value: f64, limit: f64| value.abs() < limit;
    let in_range =
        fits(months, 2_147_483_647.0) && fits(days, 2_147_483_647.0) && fits(nanoseconds, 9.2e18);
    if !in_range {
        return Err(Error::new(
            SqlState::DATETIME_FIELD_OVERFLOW,
            "interval out of range",
        ));
    }
    Ok(IntervalMonthDayNano {
        months: months as i32,
        days: days as i32,
        nanoseconds: nanoseconds as i64,
    })
}
