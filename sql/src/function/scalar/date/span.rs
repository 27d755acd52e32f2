//! Columns of INTERVAL YEAR TO MONTH, INTERVAL DAY TO SECOND and TIMETZ: how other values become theirs and back.
//! The binder writes these functions for casts, assignments and comparisons.

use super::calendar::date as calendar_date;
use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::interval::{Interval, Unit};
use crate::function::moment;
use crate::function::zone::Zone;
use crate::sqlstate::SqlState;
use crate::types::interval::{DAY, to_microseconds, to_months};
use crate::types::timetz::TimeTz;
use arrow::array::{ArrayRef, AsArray, Time64NanosecondArray};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, DurationMicrosecondType, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalYearMonthType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType,
};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;

macro_rules! conversion {
    ($name:literal, $forms:expr, $volatility:expr, $code:expr, $summary:literal, $syntax:literal, $returns:literal, $examples:expr) => {
        Scalar {
            name: $name,
            aliases: &[],
            forms: $forms,
            volatility: $volatility,
            nulls: Nulls::Propagate,
            documentation: Documentation {
                summary: $summary,
                syntax: $syntax,
                arguments: &[("value", "a value, or a text in a form of the manual")],
                returns: $returns,
                examples: $examples,
            },
            code: Code::Own($code),
        }
    };
}

pub(in crate::function) const TO_MONTHS: Scalar = conversion!(
    "blueshift_interval_months",
    &[
        Form::with_optional(&[Kind::Text], &[Kind::Boolean], Kind::YearToMonth),
        Form::new(&[Kind::Interval], Kind::YearToMonth),
    ],
    Volatility::Immutable,
    months,
    "Makes an INTERVAL YEAR TO MONTH",
    "CAST(value AS INTERVAL YEAR TO MONTH)",
    "INTERVAL YEAR TO MONTH; what is less than a month is cut off",
    &[
        ("'1-2'::interval year to month", "1 year 2 mons"),
        (
            "'14 months 40 days'::interval year to month",
            "1 year 2 mons"
        ),
        ("interval '3' year", "3 years"),
        ("interval '3' month * 5", "1 year 3 mons"),
        ("date '2020-01-31' + interval '1' month", "2020-02-29"),
        ("null::interval year to month", "NULL"),
    ]
);

pub(in crate::function) const TO_MICROSECONDS: Scalar = conversion!(
    "blueshift_interval_microseconds",
    &[
        Form::with_optional(&[Kind::Text], &[Kind::Boolean], Kind::DayToSecond),
        Form::new(&[Kind::Interval], Kind::DayToSecond),
    ],
    Volatility::Immutable,
    microseconds,
    "Makes an INTERVAL DAY TO SECOND",
    "CAST(value AS INTERVAL DAY TO SECOND)",
    "INTERVAL DAY TO SECOND; a month counts 30 days",
    &[
        ("'25:00:00.5'::interval day to second", "1 day 01:00:00.5"),
        ("interval '90' minute", "01:30:00"),
        ("interval '1 2:30' day to minute", "1 day 02:30:00"),
        ("interval '1' day / 2", "12:00:00"),
        ("interval '12' hour + interval '36' hour", "2 days"),
        (
            "date '2020-01-31' + interval '36' hour",
            "2020-02-01 12:00:00"
        ),
        (
            "timestamp '2020-01-02' - timestamp '2020-01-01 12:00'",
            "12:00:00"
        ),
        ("null::interval day to second", "NULL"),
    ]
);

pub(in crate::function) const TO_PARTS: Scalar = conversion!(
    "blueshift_interval_parts",
    &[
        Form::with_optional(&[Kind::Text], &[Kind::Boolean], Kind::Interval),
        Form::new(&[Kind::Interval], Kind::Interval),
    ],
    Volatility::Immutable,
    parts,
    "Makes an interval without a qualifier",
    "CAST(value AS INTERVAL)",
    "INTERVAL",
    &[
        ("('1 day 2' || ' hours')::interval", "1 day 02:00:00"),
        ("(interval '25' hour)::interval", "1 day 01:00:00"),
    ]
);

pub(in crate::function) const CUT_MONTHS: Scalar = conversion!(
    "blueshift_cut_months",
    &[Form::new(
        &[Kind::YearToMonth, Kind::BigInt],
        Kind::YearToMonth
    )],
    Volatility::Immutable,
    cut_months,
    "Cuts off what is less than a unit, as a column of INTERVAL YEAR does",
    "BLUESHIFT_CUT_MONTHS(interval, months)",
    "INTERVAL YEAR TO MONTH",
    &[(
        "blueshift_cut_months(interval '1-11' year to month, 12)",
        "1 year"
    )]
);

pub(in crate::function) const CUT_MICROSECONDS: Scalar = conversion!(
    "blueshift_cut_microseconds",
    &[Form::new(
        &[Kind::DayToSecond, Kind::BigInt],
        Kind::DayToSecond
    )],
    Volatility::Immutable,
    cut_microseconds,
    "Cuts off what is less than a unit, as a column of INTERVAL DAY TO HOUR does",
    "BLUESHIFT_CUT_MICROSECONDS(interval, microseconds)",
    "INTERVAL DAY TO SECOND",
    &[(
        "blueshift_cut_microseconds(interval '90' minute, 3600000000)",
        "01:00:00"
    )]
);

pub(in crate::function) const TO_TIMETZ: Scalar = conversion!(
    "blueshift_timetz",
    &[
        Form::with_optional(&[Kind::Text], &[Kind::Boolean], Kind::TimeTz),
        Form::new(&[Kind::TimeTz], Kind::TimeTz),
        Form::new(&[Kind::TimestampTz], Kind::TimeTz),
    ],
    Volatility::Stable,
    timetz,
    "Makes a TIMETZ; without a zone it is of the session's",
    "CAST(value AS TIMETZ)",
    "TIMETZ",
    &[
        ("'04:05:06.789-8'::timetz", "04:05:06.789-08"),
        ("'04:05 PM'::time::timetz", "16:05:00+00"),
        ("timetz '12:00+05:30'", "12:00:00+05:30"),
        (
            "timestamptz '2001-02-16 18:38:40+00'::timetz",
            "18:38:40+00"
        ),
        ("timetz '12:00+02' = timetz '12:00+02'", "t"),
        ("timetz '12:00+02' < timetz '11:00+00'", "t"),
        ("timetz '12:30+02'::time", "12:30:00"),
        ("extract(hour from timetz '12:30+02')", "12"),
        (
            "date '2008-07-28' + timetz '00:00:00+00'",
            "2008-07-28 00:00:00+00"
        ),
        ("null::timetz", "NULL"),
    ]
);

pub(in crate::function) const TO_TIME: Scalar = conversion!(
    "blueshift_time",
    &[Form::new(&[Kind::Time], Kind::Time)],
    Volatility::Immutable,
    |call| call.full(0),
    "Gives what the clock of a TIMETZ shows",
    "CAST(value AS TIME)",
    "TIME",
    &[("(timetz '12:30+02')::time", "12:30:00")]
);

pub(in crate::function) const DATE_TIMETZ: Scalar = conversion!(
    "blueshift_date_timetz",
    &[Form::new(&[Kind::Date, Kind::TimeTz], Kind::TimestampTz)],
    Volatility::Immutable,
    date_timetz,
    "Puts a date and a TIMETZ together",
    "date + timetz",
    "TIMESTAMPTZ",
    &[(
        "timetz '13:24:55+02' + date '2000-01-01'",
        "2000-01-01 11:24:55+00"
    )]
);

pub(in crate::function) const LOCAL: Scalar = conversion!(
    "blueshift_local",
    &[Form::new(&[Kind::Timestamp], Kind::Timestamp)],
    Volatility::Stable,
    |call| call.full(0),
    "Gives what the clocks of the session show at an instant",
    "CAST(timestamptz AS TIMESTAMP)",
    "TIMESTAMP",
    &[(
        "timestamptz '2024-01-01 10:00+02'::timestamp",
        "2024-01-01 08:00:00"
    )]
);

pub(in crate::function) const LOCAL_DATE: Scalar = conversion!(
    "blueshift_local_date",
    &[Form::new(&[Kind::Timestamp], Kind::Date)],
    Volatility::Stable,
    local_date,
    "Gives the day of an instant where the session is",
    "CAST(timestamptz AS DATE)",
    "DATE",
    &[("timestamptz '2024-01-01 01:00+02'::date", "2023-12-31")]
);

pub(in crate::function) const LOCAL_TIME: Scalar = conversion!(
    "blueshift_local_time",
    &[Form::new(&[Kind::Timestamp], Kind::Time)],
    Volatility::Stable,
    local_time,
    "Gives the time of an instant where the session is",
    "CAST(timestamptz AS TIME)",
    "TIME",
    &[("timestamptz '2024-01-01 10:00+02'::time", "08:00:00")]
);

pub(in crate::function) const ZONED: Scalar = conversion!(
    "blueshift_zoned",
    &[Form::new(&[Kind::TimestampTz], Kind::TimestampTz)],
    Volatility::Stable,
    |call| call.full(0),
    "Gives the instant at which the clocks of the session show a time",
    "CAST(timestamp AS TIMESTAMPTZ)",
    "TIMESTAMPTZ",
    &[
        (
            "timestamp '2024-01-01 10:00'::timestamptz",
            "2024-01-01 10:00:00+00"
        ),
        ("date '2024-01-01'::timestamptz", "2024-01-01 00:00:00+00"),
    ]
);

pub(in crate::function) const TIME_PLUS: Scalar = conversion!(
    "blueshift_time_plus",
    &[
        Form::new(&[Kind::Time, Kind::Interval], Kind::Time),
        Form::new(&[Kind::TimeTz, Kind::Interval], Kind::TimeTz),
    ],
    Volatility::Immutable,
    time_plus,
    "Moves a clock by an interval",
    "time + interval",
    "the type of the time, which goes around the clock",
    &[
        ("time '23:30' + interval '90 minutes'", "01:00:00"),
        ("time '00:30' - interval '1' hour", "23:30:00"),
        ("timetz '23:30+02' + interval '1 day 1 hour'", "00:30:00+02"),
        ("interval '90' minute + time '23:30'", "01:00:00"),
        ("time '12:30' - time '10:00'", "02:30:00"),
        ("time '12:30' + null::interval", "NULL"),
    ]
);

fn local_date(call: &Call<'_>) -> Result<ArrayRef> {
    let times = call.timestamp(0)?;
    call.build::<Date32Type>(|row| match times.at(row) {
        Some(time) => calendar_date(time.div_euclid(DAY)).map(Some),
        None => Ok(None),
    })
}

fn local_time(call: &Call<'_>) -> Result<ArrayRef> {
    let times = call.timestamp(0)?;
    call.build::<Time64MicrosecondType>(|row| Ok(times.at(row).map(|time| time.rem_euclid(DAY))))
}

fn overflow() -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

/// Makes intervals of a kind; `unit` is what a number alone counts in a text.
fn spans<T: ArrowPrimitiveType>(
    call: &Call<'_>,
    unit: Unit,
    span: impl Fn(IntervalMonthDayNano) -> Option<T::Native>,
) -> Result<ArrayRef> {
    if call.ty(0).is_string() {
        let texts = call.text(0)?;
        let or_null = call.count() > 1 && call.boolean(1)?.at(0) == Some(true);
        return call.build::<T>(|row| {
            let Some(text) = texts.at(row) else {
                return Ok(None);
            };
            let read = Interval::parse(text, Some(unit)).and_then(|read| {
                let parts = IntervalMonthDayNano::new(read.months, read.days, read.nanoseconds);
                span(parts).ok_or_else(overflow)
            });
            match read {
                Err(_) if or_null => Ok(None),
                read => read.map(Some),
            }
        });
    }
    let intervals = call.interval(0)?;
    call.build::<T>(|row| match intervals.at(row) {
        Some(interval) => span(interval).ok_or_else(overflow).map(Some),
        None => Ok(None),
    })
}

fn months(call: &Call<'_>) -> Result<ArrayRef> {
    spans::<IntervalYearMonthType>(call, Unit::Months(1), |parts| Some(to_months(parts)))
}

fn microseconds(call: &Call<'_>) -> Result<ArrayRef> {
    spans::<DurationMicrosecondType>(call, Unit::SECOND, to_microseconds)
}

fn parts(call: &Call<'_>) -> Result<ArrayRef> {
    spans::<IntervalMonthDayNanoType>(call, Unit::SECOND, Some)
}

fn cut_months(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, units) = (call.primitive::<IntervalYearMonthType>(0)?, call.bigint(1)?);
    call.build::<IntervalYearMonthType>(|row| {
        let (Some(value), Some(unit)) = (values.at(row), units.at(row)) else {
            return Ok(None);
        };
        let unit = i32::try_from(unit).unwrap_or(1).max(1);
        Ok(Some(value - value % unit))
    })
}

fn cut_microseconds(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, units) = (
        call.primitive::<DurationMicrosecondType>(0)?,
        call.bigint(1)?,
    );
    call.build::<DurationMicrosecondType>(|row| {
        let (Some(value), Some(unit)) = (values.at(row), units.at(row)) else {
            return Ok(None);
        };
        Ok(Some(value - value % unit.max(1)))
    })
}

/// Minutes that a zone's clocks are ahead at an instant.
fn ahead(zone: Zone, instant: i64) -> Result<i64> {
    Ok((zone.local(instant)? - instant) / 60_000_000)
}

fn timetz(call: &Call<'_>) -> Result<ArrayRef> {
    let zone = Zone::parse(call.zone)?;
    match call.ty(0) {
        DataType::Utf8View => {
            let texts = call.text(0)?;
            let or_null = call.count() > 1 && call.boolean(1)?.at(0) == Some(true);
            call.build::<Time64NanosecondType>(|row| match texts.at(row) {
                None => Ok(None),
                Some(text) => match moment::read_timetz(text, zone) {
                    Ok(time) => Ok(Some(time.packed())),
                    Err(_) if or_null => Ok(None),
                    Err(error) => Err(error),
                },
            })
        }
        DataType::Timestamp(..) => {
            let times = call.timestamp(0)?;
            call.build::<Time64NanosecondType>(|row| match times.at(row) {
                None => Ok(None),
                Some(instant) => {
                    let ahead = ahead(zone, instant)?;
                    let local = (instant + ahead * 60_000_000).rem_euclid(DAY);
                    Ok(Some(TimeTz { local, ahead }.packed()))
                }
            })
        }
        _ => call.full(0),
    }
}

/// Makes TIMETZs of TIMEs on the clocks of a zone.
pub(in crate::function) fn with_zone(times: &ArrayRef, zone: &str) -> Result<ArrayRef> {
    // A zone that changes its clocks counts as in winter: a time has no date to tell.
    let ahead = ahead(Zone::parse(zone)?, 0)?;
    let times: Time64NanosecondArray = times
        .as_primitive::<Time64MicrosecondType>()
        .unary(|local| TimeTz { local, ahead }.packed());
    Ok(Arc::new(times))
}

fn time_plus(call: &Call<'_>) -> Result<ArrayRef> {
    let intervals = call.interval(1)?;
    // Months and days do not move a clock.
    let moved = |time: i64, interval: IntervalMonthDayNano| {
        (time + interval.nanoseconds / 1_000 % DAY).rem_euclid(DAY)
    };
    if *call.returns == DataType::Time64(TimeUnit::Microsecond) {
        let times = call.primitive::<Time64MicrosecondType>(0)?;
        return call.build::<Time64MicrosecondType>(|row| {
            let (time, interval) = (times.at(row), intervals.at(row));
            Ok(time
                .zip(interval)
                .map(|(time, interval)| moved(time, interval)))
        });
    }
    let times = call.primitive::<Time64NanosecondType>(0)?;
    call.build::<Time64NanosecondType>(|row| {
        let (Some(time), Some(interval)) = (times.at(row), intervals.at(row)) else {
            return Ok(None);
        };
        let time = TimeTz::unpacked(time);
        let local = moved(time.local, interval);
        Ok(Some(TimeTz { local, ..time }.packed()))
    })
}

fn date_timetz(call: &Call<'_>) -> Result<ArrayRef> {
    let (dates, times) = (
        call.primitive::<Date32Type>(0)?,
        call.primitive::<Time64NanosecondType>(1)?,
    );
    call.build::<TimestampMicrosecondType>(|row| {
        let (Some(date), Some(time)) = (dates.at(row), times.at(row)) else {
            return Ok(None);
        };
        let instant = i64::from(date) * DAY + TimeTz::unpacked(time).instant();
        Ok(Some(instant))
    })
}
