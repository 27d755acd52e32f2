//! ADD_MONTHS: months later, where the last day of a month stays the last day.

use super::calendar::{civil, days, join, month_days, moved, split};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::TimestampMicrosecondType;

pub(super) const ADD_MONTHS: Scalar = Scalar {
    name: "add_months",
    aliases: &[],
    forms: &[Form::new(&[Kind::Timestamp, Kind::BigInt], Kind::Timestamp)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Adds months to a date or timestamp",
        syntax: "ADD_MONTHS(date, months)",
        arguments: &[
            (
                "date",
                "a date or timestamp; the last day of a month moves to the last day of the other month",
            ),
            ("months", "a whole number, negative to go back"),
        ],
        returns: "TIMESTAMP",
        examples: &[
            ("add_months('2008-03-31', 1)", "2008-04-30 00:00:00"),
            ("add_months('2008-04-30', 1)", "2008-05-31 00:00:00"),
            ("add_months(date '2008-02-15', -3)", "2007-11-15 00:00:00"),
            (
                "add_months(timestamp '2007-02-28 10:11:12', 12)",
                "2008-02-29 10:11:12",
            ),
            ("add_months(null, 1)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (times, months) = (call.timestamp(0)?, call.bigint(1)?);
    call.build::<TimestampMicrosecondType>(|row| {
        let (Some(time), Some(months)) = (times.at(row), months.at(row)) else {
            return Ok(None);
        };
        let (date, time) = split(time);
        let from = civil(date);
        let (year, month) = moved(from.year, from.month, months)?;
        let last = month_days(year, month);
        let day = if from.day == month_days(from.year, from.month) {
            last
        } else {
            from.day.min(last)
        };
        join(days(year, month, day), time).map(Some)
    })
}
