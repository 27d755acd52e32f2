//! DATEDIFF: how many boundaries of a part lie between two dates or times.

use super::calendar::{DAY, civil, split};
use super::part::{Part, Parts, not_supported};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::types::timetz::TimeTz;
use arrow::array::ArrayRef;
use arrow::datatypes::{Int64Type, Time64MicrosecondType, Time64NanosecondType};
use arrow_schema::{DataType, TimeUnit};

pub(super) const DATEDIFF: Scalar = Scalar {
    name: "datediff",
    aliases: &["date_diff"],
    forms: &[
        Form::new(
            &[Kind::Text, Kind::Timestamp, Kind::Timestamp],
            Kind::BigInt,
        ),
        Form::new(&[Kind::Text, Kind::Time, Kind::Time], Kind::BigInt),
        Form::new(&[Kind::Text, Kind::TimeTz, Kind::TimeTz], Kind::BigInt),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the boundaries of a part between two dates or times",
        syntax: "DATEDIFF(part, from, to)",
        arguments: &[
            (
                "part",
                "a part of a date or time, as a word or a string: month, day, hour, ...",
            ),
            ("from", "a date, timestamp or time"),
            (
                "to",
                "a date, timestamp or time; if it is the later, the result is positive",
            ),
        ],
        returns: "BIGINT; from December 31 to January 1 is one year. Weeks begin on Sunday",
        examples: &[
            ("datediff(week, '2009-01-01', '2009-12-31')", "52"),
            ("datediff(hour, '2023-01-01', '2023-01-03 05:04:03')", "53"),
            ("datediff(year, '2008-12-31', '2009-01-01')", "1"),
            (
                "datediff(hours, timestamp '2009-01-01 08:30:00', timestamp '2009-01-01 10:00:00')",
                "2",
            ),
            ("datediff(qtr, '1998-07-01', date '2008-06-05')", "39"),
            ("datediff(day, '2009-03-23', '2009-01-01')", "-81"),
            ("datediff(minute, time '20:00:00', time '21:00:00')", "60"),
            ("datediff(hour, time '20:00:00', time '15:24:45')", "-5"),
            (
                "datediff(hour, timetz '20:00:00+02', timetz '21:00:00+00')",
                "3",
            ),
            ("datediff(day, null, '2009-01-01')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = Parts::new(call)?;
    if matches!(call.ty(1), DataType::Time64(TimeUnit::Nanosecond)) {
        let from = call.primitive::<Time64NanosecondType>(1)?;
        let to = call.primitive::<Time64NanosecondType>(2)?;
        return call.build::<Int64Type>(|row| {
            let (Some(part), Some(from), Some(to)) = (parts.at(row)?, from.at(row), to.at(row))
            else {
                return Ok(None);
            };
            if !part.is_of_time() {
                return Err(not_supported(part, "timetz"));
            }
            // Times of day in UTC: a zone leads into no other day.
            let instant = |time| {
                let time = TimeTz::unpacked(time).instant().rem_euclid(DAY);
                boundaries(part, time)
            };
            Ok(Some(instant(to)? - instant(from)?))
        });
    }
    if matches!(call.ty(1), DataType::Time64(_)) {
        let from = call.primitive::<Time64MicrosecondType>(1)?;
        let to = call.primitive::<Time64MicrosecondType>(2)?;
        return call.build::<Int64Type>(|row| {
            let (Some(part), Some(from), Some(to)) = (parts.at(row)?, from.at(row), to.at(row))
            else {
                return Ok(None);
            };
            if !part.is_of_time() {
                return Err(not_supported(part, "time"));
            }
            Ok(Some(boundaries(part, to)? - boundaries(part, from)?))
        });
    }
    let (from, to) = (call.timestamp(1)?, call.timestamp(2)?);
    call.build::<Int64Type>(|row| {
        let (Some(part), Some(from), Some(to)) = (parts.at(row)?, from.at(row), to.at(row)) else {
            return Ok(None);
        };
        Ok(Some(boundaries(part, to)? - boundaries(part, from)?))
    })
}

/// How many boundaries of the part lie before a time.
fn boundaries(part: Part, timestamp: i64) -> Result<i64> {
    if part == Part::Week {
        // 1970-01-01 was a Thursday, four days after a Sunday.
        return Ok((timestamp.div_euclid(DAY) + 4).div_euclid(7));
    }
    if let Some(unit) = part.microseconds() {
        return Ok(timestamp.div_euclid(unit));
    }
    let day = civil(split(timestamp).0);
    match part.months() {
        Some(months) if months > 120 => Ok((day.year - 1).div_euclid(months / 12)),
        Some(months) => Ok((day.year * 12 + day.month - 1).div_euclid(months)),
        None => Err(not_supported(part, "timestamp")),
    }
}
