//! DATE_TRUNC: the start of the part a timestamp lies in.

use super::calendar::{DAY, civil, days, join, split, weekday};
use super::part::{Part, Parts, not_supported};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::zone::Zone;
use arrow::array::ArrayRef;
use arrow::datatypes::TimestampMicrosecondType;
use arrow_schema::DataType;

pub(super) const DATE_TRUNC: Scalar = Scalar {
    name: "date_trunc",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text, Kind::Timestamp], Kind::Timestamp),
        Form::new(&[Kind::Text, Kind::TimestampTz], Kind::TimestampTz),
    ],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Cuts a timestamp to the start of a part",
        syntax: "DATE_TRUNC('part', timestamp)",
        arguments: &[
            ("part", "a part of a date or time: month, week, hour, ..."),
            ("timestamp", "a date or timestamp"),
        ],
        returns: "TIMESTAMP, or TIMESTAMPTZ of one; weeks start on Monday, centuries with the year 1",
        examples: &[
            (
                "date_trunc('second', timestamp '2020-04-30 04:05:06.789')",
                "2020-04-30 04:05:06",
            ),
            (
                "date_trunc('minute', timestamp '2020-04-30 04:05:06.789')",
                "2020-04-30 04:05:00",
            ),
            (
                "date_trunc('hour', timestamp '2020-04-30 04:05:06.789')",
                "2020-04-30 04:00:00",
            ),
            (
                "date_trunc('day', timestamp '2020-04-30 04:05:06.789')",
                "2020-04-30 00:00:00",
            ),
            (
                "date_trunc('month', timestamp '2020-04-30 04:05:06.789')",
                "2020-04-01 00:00:00",
            ),
            (
                "date_trunc('quarter', timestamp '2020-04-30 04:05:06.789')",
                "2020-04-01 00:00:00",
            ),
            (
                "date_trunc('year', timestamp '2020-04-30 04:05:06.789')",
                "2020-01-01 00:00:00",
            ),
            (
                "date_trunc('millennium', timestamp '2020-04-30 04:05:06.789')",
                "2001-01-01 00:00:00",
            ),
            (
                "date_trunc('week', timestamp '2022-04-30 04:05:06.789')",
                "2022-04-25 00:00:00",
            ),
            (
                "date_trunc('mon', date '2022-04-30')",
                "2022-04-01 00:00:00",
            ),
            ("date_trunc('day', null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (parts, times) = (Parts::new(call)?, call.timestamp(1)?);
    let zoned = matches!(call.returns, DataType::Timestamp(_, Some(_)));
    let zone = zoned.then(|| Zone::parse(call.zone)).transpose()?;
    call.build::<TimestampMicrosecondType>(|row| {
        let (Some(part), Some(time)) = (parts.at(row)?, times.at(row)) else {
            return Ok(None);
        };
        let cut = match &zone {
            Some(zone) => zone.instant(truncated(zone.local(time)?, part)?)?,
            None => truncated(time, part)?,
        };
        Ok(Some(cut))
    })
}

/// The start of the part that a timestamp lies in.
fn truncated(timestamp: i64, part: Part) -> Result<i64> {
    let (date, _) = split(timestamp);
    let day = match part {
        Part::Week => date - (weekday(date) + 6) % 7,
        Part::DayOfWeek | Part::DayOfYear | Part::Epoch => {
            return Err(not_supported(part, "timestamp"));
        }
        _ => match (part.microseconds(), part.months()) {
            (Some(unit), _) if unit <= DAY => return Ok(timestamp - timestamp.rem_euclid(unit)),
            (_, Some(unit)) => first_day(date, unit),
            _ => return Err(not_supported(part, "timestamp")),
        },
    };
    join(day, 0)
}

/// The first day of a span of months.
fn first_day(date: i64, months: i64) -> i64 {
    let day = civil(date);
    if months >= 1_200 {
        let years = months / 12;
        return days((day.year - 1).div_euclid(years) * years + 1, 1, 1);
    }
    let first = (day.year * 12 + day.month - 1).div_euclid(months) * months;
    days(first.div_euclid(12), first.rem_euclid(12) + 1, 1)
}
