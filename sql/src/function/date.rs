//! Functions of dates: DATEADD, DATEDIFF. Both work on timestamps in microseconds.

use super::adapter::{Scalar, failure, first, integer_at, scalar};
use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, Months, NaiveDateTime};
use datafusion_common::Result;
use datafusion_common::cast::as_string_view_array;
use datafusion_expr::{ScalarUDF, Volatility};
use std::sync::Arc;

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        // DATEADD(part, n, date): a TIMESTAMP, also of a DATE.
        Scalar {
            name: "dateadd",
            aliases: &["date_add"],
            arguments: &[DataType::Utf8View, DataType::Int64, TIMESTAMP],
            returns: TIMESTAMP,
            volatility: Volatility::Immutable,
            eval: dateadd,
        },
        // DATEDIFF(part, from, to): the boundaries of the part between the two.
        Scalar {
            name: "datediff",
            aliases: &["date_diff"],
            arguments: &[DataType::Utf8View, TIMESTAMP, TIMESTAMP],
            returns: DataType::Int64,
            volatility: Volatility::Immutable,
            eval: datediff,
        },
    ]
    .into_iter()
    .map(scalar)
    .collect()
}

/// A part of a date: so many months, or so many microseconds.
#[derive(Clone, Copy)]
enum Part {
    Months(i64),
    Microseconds(i64),
    Week,
}

fn part(args: &[ArrayRef]) -> Result<Part> {
    let name = as_string_view_array(first(args)?)?
        .iter()
        .next()
        .flatten()
        .unwrap_or_default();
    Ok(match name.to_lowercase().as_str() {
        "millennium" | "millennia" | "mil" | "mils" => Part::Months(12_000),
        "century" | "centuries" | "c" | "cent" | "cents" => Part::Months(1_200),
        "decade" | "decades" | "dec" | "decs" => Part::Months(120),
        "year" | "years" | "y" | "yr" | "yrs" | "yyyy" => Part::Months(12),
        "quarter" | "quarters" | "qtr" | "qtrs" => Part::Months(3),
        "month" | "months" | "mon" | "mons" | "mm" => Part::Months(1),
        "week" | "weeks" | "w" => Part::Week,
        "day" | "days" | "d" | "dd" | "dayofyear" | "doy" | "dow" | "weekday" => {
            Part::Microseconds(DAY)
        }
        "hour" | "hours" | "h" | "hr" | "hrs" | "hh" => Part::Microseconds(3_600 * SECOND),
        "minute" | "minutes" | "m" | "min" | "mins" | "mi" | "n" => Part::Microseconds(60 * SECOND),
        "second" | "seconds" | "s" | "sec" | "secs" | "ss" => Part::Microseconds(SECOND),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => {
            Part::Microseconds(1_000)
        }
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "microsec" | "microsecs" => {
            Part::Microseconds(1)
        }
        other => {
            return Err(failure(
                Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("timestamp units \"{other}\" not recognized"),
                )
                .with_hint("Use year, quarter, month, week, day, hour, minute, second"),
            ));
        }
    })
}

fn out_of_range() -> datafusion_common::DataFusionError {
    failure(Error::new(
        SqlState::DATETIME_FIELD_OVERFLOW,
        "timestamp out of range",
    ))
}

fn moment(microseconds: i64) -> Result<NaiveDateTime> {
    DateTime::from_timestamp_micros(microseconds)
        .map(|at| at.naive_utc())
        .ok_or_else(out_of_range)
}

fn dateadd(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let part = part(args)?;
    let times = timestamps(args, 2)?;
    let mut result = Vec::with_capacity(rows);
    for row in 0..times.len() {
        let (Some(count), true) = (integer_at(args, 1, row), times.is_valid(row)) else {
            result.push(None);
            continue;
        };
        result.push(Some(add(times.value(row), part, count)?));
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(result)))
}

fn add(time: i64, part: Part, count: i64) -> Result<i64> {
    let unit = match part {
        Part::Microseconds(unit) => unit,
        Part::Week => 7 * DAY,
        Part::Months(months) => {
            let total = months.checked_mul(count).ok_or_else(out_of_range)?;
            let step = u32::try_from(total.unsigned_abs()).map_err(|_| out_of_range())?;
            let at = moment(time)?;
            let moved = if total < 0 {
                at.checked_sub_months(Months::new(step))
            } else {
                at.checked_add_months(Months::new(step))
            };
            return Ok(moved.ok_or_else(out_of_range)?.and_utc().timestamp_micros());
        }
    };
    unit.checked_mul(count)
        .and_then(|delta| time.checked_add(delta))
        .ok_or_else(out_of_range)
}

fn datediff(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let part = part(args)?;
    let (from, to) = (timestamps(args, 1)?, timestamps(args, 2)?);
    let mut result = Vec::with_capacity(rows);
    for (from, to) in from.iter().zip(to) {
        result.push(match (from, to) {
            (Some(from), Some(to)) => Some(boundaries(part, to)? - boundaries(part, from)?),
            _ => None,
        });
    }
    Ok(Arc::new(Int64Array::from(result)))
}

/// How many boundaries of the part lie before a time. Weeks begin on Sunday.
fn boundaries(part: Part, time: i64) -> Result<i64> {
    Ok(match part {
        Part::Microseconds(unit) => time.div_euclid(unit),
        // 1970-01-01 was a Thursday, four days after a Sunday.
        Part::Week => (time.div_euclid(DAY) + 4).div_euclid(7),
        Part::Months(months) => {
            let at = moment(time)?;
            (i64::from(at.year()) * 12 + i64::from(at.month0())).div_euclid(months)
        }
    })
}

fn timestamps(args: &[ArrayRef], argument: usize) -> Result<&TimestampMicrosecondArray> {
    args.get(argument)
        .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| {
            failure(Error::new(
                SqlState::INTERNAL_ERROR,
                "a timestamp was expected",
            ))
        })
}
