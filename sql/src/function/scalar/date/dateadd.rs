//! DATEADD: a part of a date or time, so many times later.

use super::calendar::{DAY, civil, days, join, month_days, moved, out_of_range, split};
use super::part::{Part, Parts, not_supported};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::types::timetz::TimeTz;
use arrow::array::ArrayRef;
use arrow::datatypes::{Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType};
use arrow_schema::{DataType, TimeUnit};

pub(super) const DATEADD: Scalar = Scalar {
    name: "dateadd",
    aliases: &["date_add"],
    forms: &[
        Form::new(
            &[Kind::Text, Kind::BigInt, Kind::Timestamp],
            Kind::Timestamp,
        ),
        Form::new(
            &[Kind::Text, Kind::BigInt, Kind::TimestampTz],
            Kind::TimestampTz,
        ),
        Form::new(&[Kind::Text, Kind::BigInt, Kind::Time], Kind::Time),
        Form::new(&[Kind::Text, Kind::BigInt, Kind::TimeTz], Kind::TimeTz),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Adds a number of parts to a date, time or timestamp",
        syntax: "DATEADD(part, number, date)",
        arguments: &[
            (
                "part",
                "a part of a date or time, as a word or a string: month, day, hour, ...",
            ),
            ("number", "how many, negative to go back"),
            ("date", "a date, timestamp or time"),
        ],
        returns: "TIMESTAMP for a date, else the type of `date`; months end at the last day of a shorter month, \
                  years go on to March 1; a time goes around the clock",
        examples: &[
            ("dateadd(month, 18, '2008-02-28')", "2009-08-28 00:00:00"),
            ("dateadd(m, 30, '2008-02-28')", "2008-02-28 00:30:00"),
            ("dateadd(month, 1, '2008-04-30')", "2008-05-30 00:00:00"),
            (
                "dateadd('month', 1, date '2026-01-31')",
                "2026-02-28 00:00:00",
            ),
            ("dateadd(month, 12, '2016-02-29')", "2017-02-28 00:00:00"),
            ("dateadd(year, 1, '2016-02-29')", "2017-03-01 00:00:00"),
            ("dateadd(hour, 12, time '13:24:55')", "01:24:55"),
            ("dateadd(hour, 12, timetz '13:24:55+02')", "23:24:55+00"),
            (
                "dateadd(ms, -1, timestamp '2020-01-01 00:00:00')",
                "2019-12-31 23:59:59.999",
            ),
            ("dateadd(day, null, '2008-04-30')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (parts, counts) = (Parts::new(call)?, call.bigint(1)?);
    let around = |part: Part, count: i64, time: i64| {
        let unit = part.microseconds().filter(|_| part.is_of_time());
        let unit = unit.ok_or_else(|| not_supported(part, "time"))?;
        let delta = unit.checked_mul(count).ok_or_else(out_of_range)?;
        Ok((time + delta % DAY).rem_euclid(DAY))
    };
    if matches!(call.returns, DataType::Time64(TimeUnit::Nanosecond)) {
        let times = call.primitive::<Time64NanosecondType>(2)?;
        return call.build::<Time64NanosecondType>(|row| {
            let (Some(part), Some(count), Some(time)) =
                (parts.at(row)?, counts.at(row), times.at(row))
            else {
                return Ok(None);
            };
            // The manual shows the sum on the clocks of UTC.
            let time = TimeTz::unpacked(time).instant().rem_euclid(DAY);
            let local = around(part, count, time)?;
            Ok(Some(TimeTz { local, ahead: 0 }.packed()))
        });
    }
    if matches!(call.returns, DataType::Time64(_)) {
        let times = call.primitive::<Time64MicrosecondType>(2)?;
        return call.build::<Time64MicrosecondType>(|row| {
            let (Some(part), Some(count), Some(time)) =
                (parts.at(row)?, counts.at(row), times.at(row))
            else {
                return Ok(None);
            };
            around(part, count, time).map(Some)
        });
    }
    let times = call.timestamp(2)?;
    call.build::<TimestampMicrosecondType>(|row| {
        let (Some(part), Some(count), Some(time)) = (parts.at(row)?, counts.at(row), times.at(row))
        else {
            return Ok(None);
        };
        add(time, part, count).map(Some)
    })
}

fn add(timestamp: i64, part: Part, count: i64) -> Result<i64> {
    if let Some(unit) = part.microseconds() {
        let delta = unit.checked_mul(count);
        let sum = delta.and_then(|delta| timestamp.checked_add(delta));
        return sum.ok_or_else(out_of_range);
    }
    let unit = part
        .months()
        .ok_or_else(|| not_supported(part, "timestamp"))?;
    let months = unit.checked_mul(count).ok_or_else(out_of_range)?;
    let (date, time) = split(timestamp);
    let from = civil(date);
    let (year, month) = moved(from.year, from.month, months)?;
    // Months end within the month; years keep the day, and February 29 is March 1 of a common year.
    let day = if unit % 12 == 0 {
        from.day
    } else {
        from.day.min(month_days(year, month))
    };
    join(days(year, month, day), time)
}
