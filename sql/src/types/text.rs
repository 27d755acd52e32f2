//! Values as text, both ways: what a client reads in a row, what a parameter or a literal says.

use super::SqlType;
use super::interval::of_microseconds;
use super::timetz::TimeTz;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, UInt64Type,
};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion_common::ScalarValue;
use std::fmt::Write;

/// Days from 0001-01-01 to 1970-01-01, as `chrono` counts them.
const EPOCH_DAYS: i32 = 719_163;
const MICROSECONDS: i64 = 1_000_000;

/// Appends the text of one value. The value must not be null; an array of a type no column has is written as
/// arrow shows it.
pub fn write_text(array: &dyn Array, row: usize, ty: SqlType, out: &mut String) {
    match array.data_type() {
        DataType::Boolean => out.push(if array.as_boolean().value(row) {
            't'
        } else {
            'f'
        }),
        DataType::Int8 => integer(array.as_primitive::<Int8Type>().value(row).into(), out),
        DataType::Int16 => integer(array.as_primitive::<Int16Type>().value(row).into(), out),
        DataType::Int32 => integer(array.as_primitive::<Int32Type>().value(row).into(), out),
        DataType::Int64 => integer(array.as_primitive::<Int64Type>().value(row), out),
        DataType::UInt64 => {
            out.push_str(itoa::Buffer::new().format(array.as_primitive::<UInt64Type>().value(row)));
        }
        DataType::Float32 => {
            float(
                f64::from(array.as_primitive::<Float32Type>().value(row)),
                6,
                out,
            );
        }
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row), 15, out),
        DataType::Decimal128(_, scale) => {
            decimal(
                array.as_primitive::<Decimal128Type>().value(row),
                *scale,
                out,
            );
        }
        DataType::Utf8View => text(array.as_string_view().value(row), ty, out),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), ty, out),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), ty, out),
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row), out),
        DataType::Time64(TimeUnit::Microsecond) => {
            time(
                array.as_primitive::<Time64MicrosecondType>().value(row),
                out,
            );
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let packed = array.as_primitive::<Time64NanosecondType>().value(row);
            let value = TimeTz::unpacked(packed);
            time(value.local, out);
            value.write_zone(out);
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            timestamp(
                array.as_primitive::<TimestampMicrosecondType>().value(row),
                out,
            );
            if zone.is_some() {
                out.push_str("+00");
            }
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            interval(value.months, value.days, value.nanoseconds / 1_000, out);
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row);
            interval(months, 0, 0, out);
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            let value = array.as_primitive::<DurationMicrosecondType>().value(row);
            let parts = of_microseconds(value);
            interval(0, parts.days, parts.nanoseconds / 1_000, out);
        }
        DataType::BinaryView => hex(array.as_binary_view().value(row), out),
        DataType::Binary => hex(array.as_binary::<i32>().value(row), out),
        DataType::Timestamp(_, zone) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            if let Ok(cast) = arrow::compute::cast(&array.slice(row, 1), &micros) {
                write_text(cast.as_ref(), 0, ty, out);
            }
        }
        _ => {
            if let Ok(shown) = arrow::util::display::array_value_to_string(array, row) {
                out.push_str(&shown);
            }
        }
    }
}

fn integer(value: i64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// CHAR(n) is shown padded to its length, as Redshift sends it.
fn text(value: &str, ty: SqlType, out: &mut String) {
    out.push_str(value);
    if let SqlType::Char(length) = ty {
        let length = usize::try_from(length).unwrap_or(0);
        out.extend(std::iter::repeat_n(' ', length.saturating_sub(value.len())));
    }
}

/// As C's `%.15g`: `digits` significant digits, no trailing zeros, an exponent when far from 1.
fn float(value: f64, digits: usize, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if value == 0.0 {
        return out.push_str(if value.is_sign_negative() { "-0" } else { "0" });
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let point = i32::try_from(digits).unwrap_or(15);
    if (-4..point).contains(&exponent) {
        let places = usize::try_from(point - 1 - exponent).unwrap_or(0);
        out.push_str(trimmed(&format!("{value:.places$}")));
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

fn decimal(value: i128, scale: i8, out: &mut String) {
    let scale = usize::try_from(scale).unwrap_or(0);
    if value < 0 {
        out.push('-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    if scale == 0 {
        return out.push_str(digits);
    }
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', scale - digits.len()));
        out.push_str(digits);
    }
}

fn date(days: i32, out: &mut String) {
    match NaiveDate::from_num_days_from_ce_opt(days.saturating_add(EPOCH_DAYS)) {
        Some(date) => calendar(date, out),
        None => integer(days.into(), out),
    }
}

fn calendar(date: NaiveDate, out: &mut String) {
    let (common, year) = date.year_ce();
    let _ = write!(out, "{year:04}-{:02}-{:02}", date.month(), date.day());
    if !common {
        out.push_str(" BC");
    }
}

fn time(microseconds: i64, out: &mut String) {
    let seconds = microseconds.div_euclid(MICROSECONDS);
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    fraction(microseconds.rem_euclid(MICROSECONDS), out);
}

/// As `1 year 2 mons 3 days 04:05:06.5`; what is zero is left out.
fn interval(months: i32, days: i32, microseconds: i64, out: &mut String) {
    let start = out.len();
    for (count, one, many) in [
        (months / 12, "year", "years"),
        (months % 12, "mon", "mons"),
        (days, "day", "days"),
    ] {
        if count != 0 {
            let space = if out.len() > start { " " } else { "" };
            let name = if count == 1 { one } else { many };
            let _ = write!(out, "{space}{count} {name}");
        }
    }
    if microseconds != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if microseconds < 0 {
            out.push('-');
        }
        time(microseconds.saturating_abs(), out);
    }
}

fn fraction(microseconds: i64, out: &mut String) {
    if microseconds > 0 {
        let digits = format!("{microseconds:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

fn timestamp(microseconds: i64, out: &mut String) {
    let Some(at) = DateTime::from_timestamp_micros(microseconds) else {
        return integer(microseconds, out);
    };
    let at = at.naive_utc();
    let common = at.year() > 0;
    let year = if common { at.year() } else { 1 - at.year() };
    let _ = write!(
        out,
        "{year:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    fraction(microseconds.rem_euclid(MICROSECONDS), out);
    if !common {
        out.push_str(" BC");
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

impl SqlType {
    /// Reads a value from its text, as a parameter gives it.
    pub fn read_text(self, text: &str) -> Result<ScalarValue> {
        let bad = || {
            Error::new(
                SqlState::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type {self}: \"{text}\""),
            )
        };
        let trimmed = text.trim();
        Ok(match self {
            Self::Boolean => match trimmed.to_lowercase().as_str() {
                "t" | "true" | "y" | "yes" | "1" | "on" => ScalarValue::Boolean(Some(true)),
                "f" | "false" | "n" | "no" | "0" | "off" => ScalarValue::Boolean(Some(false)),
                _ => return Err(bad()),
            },
            Self::SmallInt => ScalarValue::Int16(Some(trimmed.parse().map_err(|_| bad())?)),
            Self::Integer => ScalarValue::Int32(Some(trimmed.parse().map_err(|_| bad())?)),
            Self::BigInt | Self::Oid => {
                ScalarValue::Int64(Some(trimmed.parse().map_err(|_| bad())?))
            }
            Self::Real => ScalarValue::Float32(Some(trimmed.parse().map_err(|_| bad())?)),
            Self::Double => ScalarValue::Float64(Some(trimmed.parse().map_err(|_| bad())?)),
            Self::Date => {
                let date = trimmed.get(..10).unwrap_or(trimmed);
                let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").map_err(|_| Error {
                    code: SqlState::INVALID_DATETIME_FORMAT,
                    ..bad()
                })?;
                ScalarValue::Date32(Some(date.num_days_from_ce() - EPOCH_DAYS))
            }
            Self::Time => {
                let time =
                    NaiveTime::parse_from_str(trimmed, "%H:%M:%S%.f").map_err(|_| Error {
                        code: SqlState::INVALID_DATETIME_FORMAT,
                        ..bad()
                    })?;
                let micros = i64::from(time.num_seconds_from_midnight()) * MICROSECONDS
                    + i64::from(time.nanosecond() / 1000);
                ScalarValue::Time64Microsecond(Some(micros))
            }
            Self::TimeTz | Self::YearToMonth(_) | Self::DayToSecond(_) => {
                return Err(Error::unsupported(
                    format!("a text of {self} by itself"),
                    "Read it with function::read_scalar",
                ));
            }
            Self::Timestamp | Self::TimestampTz => {
                let micros = read_timestamp(trimmed).ok_or_else(|| Error {
                    code: SqlState::INVALID_DATETIME_FORMAT,
                    ..bad()
                })?;
                let zone = (self == Self::TimestampTz).then(|| super::TIMESTAMP_ZONE.into());
                ScalarValue::TimestampMicrosecond(Some(micros), zone)
            }
            Self::Decimal { .. } => ScalarValue::Utf8View(Some(trimmed.to_owned()))
                .cast_to(&self.arrow())
                .map_err(|_| bad())?,
            Self::Varbyte(_) => ScalarValue::BinaryView(Some(read_hex(trimmed).ok_or_else(bad)?)),
            Self::Char(_)
            | Self::Varchar(_)
            | Self::Super
            | Self::HllSketch
            | Self::Name
            | Self::Unknown => ScalarValue::Utf8View(Some(text.to_owned())),
        })
    }
}

/// A date and time, perhaps with an offset; a date alone is midnight.
fn read_timestamp(text: &str) -> Option<i64> {
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(at) = DateTime::parse_from_str(text, format) {
            return Some(at.timestamp_micros());
        }
    }
    for format in [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return Some(at.and_utc().timestamp_micros());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros())
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text);
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{SqlType, write_text};

    #[test]
    fn values_read_and_print_as_redshift_prints_them() {
        for (ty, text, expected) in [
            ("bool", "yes", "t"),
            ("int2", "-5", "-5"),
            ("bigint", "9223372036854775807", "9223372036854775807"),
            ("decimal(10,2)", "-0.05", "-0.05"),
            ("decimal(10,2)", "12.3", "12.30"),
            ("float8", "0.1", "0.1"),
            ("float8", "1e20", "1e+20"),
            ("float8", "123456789012345678", "1.23456789012346e+17"),
            ("float8", "0.00001", "1e-05"),
            ("float8", "100000", "100000"),
            ("real", "3.1415926", "3.14159"),
            ("date", "2024-02-29", "2024-02-29"),
            (
                "timestamp",
                "2024-02-29 12:00:00.120000",
                "2024-02-29 12:00:00.12",
            ),
            ("timestamp", "1969-12-31 23:59:59", "1969-12-31 23:59:59"),
            (
                "timestamptz",
                "2024-02-29 12:00:00+02",
                "2024-02-29 10:00:00+00",
            ),
            ("time", "23:59:59.5", "23:59:59.5"),
            ("char(3)", "a", "a  "),
            ("varchar(3)", "a", "a"),
            ("varbyte", "00ff", "00ff"),
        ] {
            let ty = SqlType::parse(ty).expect(ty);
            let value = ty.read_text(text).expect(text);
            let array = value.to_array().expect(text);
            assert_eq!(array.data_type(), &ty.arrow());
            let mut out = String::new();
            write_text(array.as_ref(), 0, ty, &mut out);
            assert_eq!(out, expected, "{ty} {text}");
        }
    }
}
