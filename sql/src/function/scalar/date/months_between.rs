//! MONTHS_BETWEEN: months from one date to another, with a fraction of a month of 31 days.

use super::calendar::{DAY, civil, month_days, split};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;

pub(super) const MONTHS_BETWEEN: Scalar = Scalar {
    name: "months_between",
    aliases: &[],
    forms: &[Form::new(&[Kind::Timestamp, Kind::Timestamp], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the months between two dates",
        syntax: "MONTHS_BETWEEN(date1, date2)",
        arguments: &[
            (
                "date1",
                "a date or timestamp; if it is the later, the result is positive",
            ),
            ("date2", "a date or timestamp"),
        ],
        returns: "DOUBLE PRECISION; whole if both are the same day of the month or both the last day, else with \
                  a fraction of 31 days",
        examples: &[
            ("months_between('1969-01-18', '1969-03-18')", "-2"),
            ("months_between('2014-08-31', '2014-09-30')", "-1"),
            ("months_between('2014-09-30 23:00:00', '2014-08-31')", "1"),
            (
                "round(months_between('2008-12-25 15:00:00', '2008-01-21 19:30:00'), 2)",
                "11.12",
            ),
            ("months_between(null, '2014-01-01')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.timestamp(0)?, call.timestamp(1)?);
    call.build::<Float64Type>(|row| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else {
            return Ok(None);
        };
        Ok(Some(between(left, right)))
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "months and microseconds of a month are far below 2^53"
)]
fn between(left: i64, right: i64) -> f64 {
    let ((left, left_time), (right, right_time)) = (split(left), split(right));
    let (from, to) = (civil(left), civil(right));
    let months = (from.year - to.year) * 12 + from.month - to.month;
    let is_last = |day: super::calendar::Civil| day.day == month_days(day.year, day.month);
    if from.day == to.day || (is_last(from) && is_last(to)) {
        return months as f64;
    }
    let rest = (from.day - to.day) * DAY + left_time - right_time;
    months as f64 + rest as f64 / (31 * DAY) as f64
}
