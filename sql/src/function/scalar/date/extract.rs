//! EXTRACT: a part of a date or time, whole.

use super::calendar::{DAY, SECOND};
use super::part::{Part, Parts, not_supported};
use crate::error::Result;
use crate::function::call::{Call, Column};
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use crate::function::zone::Zone;
use crate::types::timetz::TimeTz;
use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use arrow::datatypes::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, IntervalMonthDayNano,
    Time64MicrosecondType, Time64NanosecondType,
};
use arrow_schema::{DataType, TimeUnit};
use datafusion_common::ScalarValue;

pub(super) const EXTRACT: Scalar = Scalar {
    name: "extract",
    aliases: &[],
    forms: &[
        form(&[Kind::Text, Kind::Timestamp]),
        form(&[Kind::Text, Kind::Time]),
        form(&[Kind::Text, Kind::TimeTz]),
        form(&[Kind::Text, Kind::Interval]),
        Form::new(&[Kind::Text, Kind::TimestampTz], Kind::Double),
    ],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives a part of a date, time, timestamp or interval as a whole number",
        syntax: "EXTRACT(part FROM date)",
        arguments: &[
            (
                "part",
                "a part of a date or time, as a word or a string: month, day, hour, dow, epoch, ...",
            ),
            ("date", "a date, timestamp, time or interval"),
        ],
        returns: "INTEGER, BIGINT for epoch, DOUBLE PRECISION of a TIMESTAMPTZ",
        examples: &[
            ("extract(minute from timestamp '2009-09-09 12:08:43')", "8"),
            (
                "extract(ms from timestamp '2009-09-09 12:08:43.101')",
                "101",
            ),
            (
                "extract(sec from timestamp '2009-09-21 11:10:03.189717')",
                "3",
            ),
            (
                "extract(century from timestamp '2000-12-16 12:21:13')",
                "20",
            ),
            (
                "extract(century from timestamp '2001-12-16 12:21:13')",
                "21",
            ),
            (
                "extract(decade from timestamp '1999-02-16 20:38:40')",
                "200",
            ),
            (
                "extract(decade from timestamp '2010-02-16 20:38:40')",
                "202",
            ),
            ("extract(mil from timestamp '2000-12-16 12:21:13')", "2"),
            ("extract('year' from date '2026-05-17')", "2026"),
            (
                "extract(epoch from timestamp '2100-01-01 00:00:00')",
                "4102444800",
            ),
            ("extract(week from date '2021-01-03')", "53"),
            ("extract(ms from time '18:25:33.123456')", "123"),
            (
                "extract(year from timestamptz '1997-12-01 07:37:16-08')",
                "1997",
            ),
            (
                "extract(timezone_hour from timestamptz '1997-12-01 07:37:16-08')",
                "0",
            ),
            ("extract(day from interval '2 days 3 hours')", "2"),
            ("extract(hour from timetz '12:30:00+02')", "12"),
            ("extract(timezone_hour from timetz '12:30:00+02')", "2"),
            ("extract(epoch from timetz '12:30:00+02')", "37800"),
        ],
    },
    code: Code::Own(eval),
};

const fn form(arguments: &'static [Kind]) -> Form {
    Form {
        arguments,
        optional: &[],
        repeated: None,
        returns: Returns::Types(whole),
    }
}

/// INTEGER, but seconds since 1970 need a BIGINT.
fn whole(_types: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    let name = constants.first().copied().flatten();
    let name = name.and_then(|name| name.try_as_str()).flatten();
    let is_epoch =
        name.is_some_and(|name| name.trim_matches(['\'', ' ']).eq_ignore_ascii_case("epoch"));
    Ok(if is_epoch {
        DataType::Int64
    } else {
        DataType::Int32
    })
}

/// The timestamps of the second argument as clocks of the session show them.
pub(super) struct Local<'a> {
    times: Column<'a, TimestampMicrosecondArray>,
    zone: Option<Zone>,
}

impl<'a> Local<'a> {
    pub(super) fn new(call: &Call<'a>) -> Result<Self> {
        let zoned = matches!(call.ty(1), DataType::Timestamp(_, Some(_)));
        let zone = zoned.then(|| Zone::parse(call.zone)).transpose()?;
        Ok(Self {
            times: call.timestamp(1)?,
            zone,
        })
    }

    pub(super) fn at(&self, row: usize) -> Result<Option<i64>> {
        let time = self.times.at(row);
        match (&self.zone, time) {
            (Some(zone), Some(time)) => zone.local(time).map(Some),
            _ => Ok(time),
        }
    }

    /// The time in UTC.
    pub(super) fn instant(&self, row: usize) -> Option<i64> {
        self.times.at(row)
    }

    /// The value of a part of the offset from UTC; `None` for other parts.
    pub(super) fn offset(&self, part: Part, row: usize) -> Result<Option<i64>> {
        let unit = match part {
            Part::Timezone => 1,
            Part::TimezoneHour => 3_600,
            Part::TimezoneMinute => 60,
            _ => return Ok(None),
        };
        let (Some(zone), Some(time)) = (&self.zone, self.times.at(row)) else {
            return Err(not_supported(part, "timestamp"));
        };
        let seconds = (zone.local(time)? - time) / SECOND;
        Ok(Some(match part {
            Part::TimezoneMinute => seconds % 3_600 / unit,
            _ => seconds / unit,
        }))
    }
}

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    match call.returns {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a part of a date is far below 2^53"
        )]
        DataType::Float64 => parts::<Float64Type>(call, |value| value as f64),
        DataType::Int64 => parts::<Int64Type>(call, |value| value),
        _ => parts::<Int32Type>(call, |value| {
            i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
        }),
    }
}

fn parts<T: ArrowPrimitiveType>(
    call: &Call<'_>,
    number: impl Fn(i64) -> T::Native,
) -> Result<ArrayRef> {
    let parts = Parts::new(call)?;
    match call.ty(1) {
        DataType::Time64(TimeUnit::Nanosecond) => {
            let times = call.primitive::<Time64NanosecondType>(1)?;
            call.build::<T>(|row| {
                let (Some(part), Some(time)) = (parts.at(row)?, times.at(row)) else {
                    return Ok(None);
                };
                of_timetz(part, TimeTz::unpacked(time)).map(|value| Some(number(value)))
            })
        }
        DataType::Time64(_) => {
            let times = call.primitive::<Time64MicrosecondType>(1)?;
            call.build::<T>(|row| {
                let (Some(part), Some(time)) = (parts.at(row)?, times.at(row)) else {
                    return Ok(None);
                };
                if !part.is_of_time() {
                    return Err(not_supported(part, "time"));
                }
                Ok(Some(number(part.of(time))))
            })
        }
        DataType::Interval(_) => {
            let values = call.interval(1)?;
            call.build::<T>(|row| {
                let (Some(part), Some(value)) = (parts.at(row)?, values.at(row)) else {
                    return Ok(None);
                };
                of_interval(part, value).map(|value| Some(number(value)))
            })
        }
        _ => {
            let times = Local::new(call)?;
            call.build::<T>(|row| {
                let (Some(part), Some(time)) = (parts.at(row)?, times.at(row)?) else {
                    return Ok(None);
                };
                Ok(Some(number(match times.offset(part, row)? {
                    Some(offset) => offset,
                    None if part == Part::Epoch => {
                        times.instant(row).unwrap_or(0).div_euclid(SECOND)
                    }
                    None => part.of(time),
                })))
            })
        }
    }
}

/// The value of a part of a TIMETZ: of what its clock shows, or of its offset.
pub(super) fn of_timetz(part: Part, time: TimeTz) -> Result<i64> {
    Ok(match part {
        Part::Timezone => time.ahead * 60,
        Part::TimezoneHour => time.ahead / 60,
        Part::TimezoneMinute => time.ahead % 60,
        Part::Epoch => time.instant().div_euclid(SECOND),
        part if part.is_of_time() => part.of(time.local),
        part => return Err(not_supported(part, "timetz")),
    })
}

/// The value of a part in an interval, which keeps months, days and time apart.
pub(super) fn of_interval(part: Part, value: IntervalMonthDayNano) -> Result<i64> {
    let (months, days) = (i64::from(value.months), i64::from(value.days));
    let time = value.nanoseconds / 1_000;
    Ok(match part {
        Part::Millennium => months / 12_000,
        Part::Century => months / 1_200,
        Part::Decade => months / 120,
        Part::Year => months / 12,
        Part::Quarter => months % 12 / 3 + 1,
        Part::Month => months % 12,
        Part::Day => days,
        Part::Hour => time / super::calendar::HOUR,
        Part::Minute => time / super::calendar::MINUTE % 60,
        Part::Second => time / SECOND % 60,
        Part::Millisecond => time / 1_000 % 1_000,
        Part::Microsecond => time % SECOND,
        // A year has 365.25 days, a month 30.
        Part::Epoch => {
            let days = days + months / 12 * 365 + months / 12 / 4 + months % 12 * 30;
            days * (DAY / SECOND) + months / 12 % 4 * 21_600 + time / SECOND
        }
        part => return Err(not_supported(part, "interval")),
    })
}
