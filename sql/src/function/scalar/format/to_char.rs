//! TO_CHAR: a date, timestamp, interval or number as text by a format.

use super::number_pattern::{self, Pattern};
use super::number_write;
use super::pattern::{self, Piece};
use super::write::{self, Moment};
use crate::error::Result;
use crate::function::call::{Call, Column};
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::scalar::date::calendar::{Civil, SECOND};
use crate::function::zone::Zone;
use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::IntervalMonthDayNano;
use arrow_schema::DataType;
use std::borrow::Cow;

pub(super) const TO_CHAR: Scalar = Scalar {
    name: "to_char",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Timestamp, Kind::Text], Kind::Text),
        Form::new(&[Kind::TimestampTz, Kind::Text], Kind::Text),
        Form::new(&[Kind::Interval, Kind::Text], Kind::Text),
        Form::new(&[Kind::Decimal, Kind::Text], Kind::Text),
        Form::new(&[Kind::Double, Kind::Text], Kind::Text),
    ],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a date, timestamp or number by a format",
        syntax: "TO_CHAR(value, format)",
        arguments: &[
            ("value", "a date, timestamp, interval or number"),
            (
                "format",
                "how it is written, as YYYY-MM-DD HH24:MI:SS or FM999G990D00",
            ),
        ],
        returns: "VARCHAR",
        examples: &[
            (
                "to_char(timestamp '2009-12-31 23:15:59', 'MONTH-DY-DD-YYYY HH12:MIPM')",
                "DECEMBER -THU-31-2009 11:15PM",
            ),
            ("to_char(timestamp '2009-12-31 23:15:59', 'DDD')", "365"),
            ("to_char(timestamp '2022-05-16 23:15:59', 'ID')", "1"),
            (
                "to_char(date '2009-12-31', 'FMMonth DDth, YYYY')",
                "December 31st, 2009",
            ),
            (
                "to_char(timestamp '2008-01-25 14:30:00', 'HH12:MI:SS TZ')",
                "02:30:00 UTC",
            ),
            (
                "to_char(timestamp '2009-12-31 23:15:59.325143', 'HH24:MI:SS.MS US')",
                "23:15:59.325 325143",
            ),
            (
                "to_char(timestamp '2008-02-18 02:36:48', 'cc Q WW IW IYYY J')",
                "21 1 07 08 2008 2454515",
            ),
            (
                "to_char(date '2026-05-17', 'YYYY/MM/DD \"day\" D rm')",
                "2026/05/17 day 1 v   ",
            ),
            ("to_char(-125.8, '999D99S')", "125.80-"),
            ("to_char(-125.88, '$S999D99')", "$-125.88"),
            ("to_char(-125.88, '$999D99PR')", "$<125.88>"),
            ("to_char(125, 'RN')", "           CXXV"),
            ("to_char(618.80, 'l99999D99')", "$   618.80"),
            ("to_char(1234567.891, 'FM9,999,999.00')", "1,234,567.89"),
            ("to_char(0.5::float8, '990.99')", "   0.50"),
            ("to_char(1234, '999')", " ###"),
            ("to_char(null::int, '999')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    match call.ty(0) {
        DataType::Decimal128(_, scale) => {
            let values = call.decimal(0)?;
            let scale = usize::try_from(scale).unwrap_or(0);
            numbers(call, |row, pattern, out| {
                let Some(value) = values.at(row) else {
                    return false;
                };
                decimal(value, scale, pattern, out);
                true
            })
        }
        DataType::Float64 => {
            let values = call.double(0)?;
            numbers(call, |row, pattern, out| {
                let Some(value) = values.at(row) else {
                    return false;
                };
                double(value, pattern, out);
                true
            })
        }
        DataType::Interval(_) => {
            let values = call.interval(0)?;
            moments(call, |row, pieces, out| {
                let Some(value) = values.at(row) else {
                    return Ok(false);
                };
                write::write(pieces, &interval(value), out);
                Ok(true)
            })
        }
        DataType::Timestamp(_, Some(_)) => {
            let values = call.timestamp(0)?;
            let zone = Zone::parse(call.zone)?;
            moments(call, |row, pieces, out| {
                let Some(value) = values.at(row) else {
                    return Ok(false);
                };
                let local = zone.local(value)?;
                let name = zone.abbreviation(value)?;
                let moment = Moment {
                    zone: &name,
                    offset: (local - value) / SECOND,
                    ..Moment::new(local)
                };
                write::write(pieces, &moment, out);
                Ok(true)
            })
        }
        _ => {
            let values = call.timestamp(0)?;
            moments(call, |row, pieces, out| {
                let Some(value) = values.at(row) else {
                    return Ok(false);
                };
                write::write(pieces, &Moment::new(value), out);
                Ok(true)
            })
        }
    }
}

/// The formats of a call, each cut; one that is the same for all rows is cut once.
struct Formats<'a, P> {
    texts: Column<'a, StringViewArray>,
    constant: Option<P>,
    cut: fn(&str) -> Result<P>,
}

impl<'a, P: Clone> Formats<'a, P> {
    fn new(call: &Call<'a>, cut: fn(&str) -> Result<P>) -> Result<Self> {
        let texts = call.text(1)?;
        let constant = texts.constant().map(cut).transpose()?;
        Ok(Self {
            texts,
            constant,
            cut,
        })
    }

    fn at(&self, row: usize) -> Result<Option<Cow<'_, P>>> {
        match (&self.constant, self.texts.at(row)) {
            (Some(pattern), _) => Ok(Some(Cow::Borrowed(pattern))),
            (None, Some(text)) => (self.cut)(text).map(|pattern| Some(Cow::Owned(pattern))),
            (None, None) => Ok(None),
        }
    }
}

fn moments(
    call: &Call<'_>,
    write: impl Fn(usize, &[Piece], &mut String) -> Result<bool>,
) -> Result<ArrayRef> {
    let formats = Formats::new(call, |text| Ok(pattern::parse(text)))?;
    call.build_text(|row, out| match formats.at(row)? {
        Some(pieces) => write(row, &pieces, out),
        None => Ok(false),
    })
}

fn numbers(
    call: &Call<'_>,
    write: impl Fn(usize, &Pattern, &mut String) -> bool,
) -> Result<ArrayRef> {
    let formats = Formats::new(call, number_pattern::parse)?;
    call.build_text(|row, out| match formats.at(row)? {
        Some(pattern) => Ok(write(row, &pattern, out)),
        None => Ok(false),
    })
}

/// Writes a decimal, rounded half away from zero to the places of the format.
fn decimal(value: i128, scale: usize, pattern: &Pattern, out: &mut String) {
    let places = pattern.after + pattern.shift;
    let mut digits = value.unsigned_abs();
    for _ in places + 1..scale {
        digits /= 10;
    }
    if scale > places {
        digits = (digits + 5) / 10;
    }
    let mut text = digits.to_string();
    // Places the value has not.
    text.extend(std::iter::repeat_n('0', places.saturating_sub(scale)));
    let negative = value < 0 && digits > 0;
    finish(text, negative, pattern, out);
}

fn double(value: f64, pattern: &Pattern, out: &mut String) {
    let places = pattern.after + pattern.shift;
    let mut text = format!("{:.places$}", value.abs());
    text.retain(|ch| ch != '.');
    let zero = text.bytes().all(|byte| byte == b'0');
    finish(text, value < 0.0 && !zero, pattern, out);
}

/// Puts the point in and writes the digits; `text` has the format's places after the point, without it.
fn finish(mut text: String, negative: bool, pattern: &Pattern, out: &mut String) {
    if text.len() <= pattern.after {
        let zeros = "0".repeat(pattern.after + 1 - text.len());
        text.insert_str(0, &zeros);
    }
    let whole = text.len() - pattern.after;
    let leading = text.bytes().take_while(|byte| *byte == b'0').count();
    text.drain(..leading.min(whole.saturating_sub(1)));
    if pattern.has_point {
        text.insert(text.len() - pattern.after, '.');
    }
    number_write::write(pattern, negative, &text, out);
}

/// What a clock would show of an interval: its parts are kept apart, hours go beyond a day.
fn interval(value: IntervalMonthDayNano) -> Moment<'static> {
    let months = i64::from(value.months);
    Moment {
        day: Civil {
            year: months / 12,
            month: months % 12,
            day: value.days.into(),
        },
        days: value.days.into(),
        time: value.nanoseconds / 1_000,
        zone: "",
        offset: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal, double, number_pattern};

    #[test]
    fn numbers_are_rounded_to_the_places_of_the_format() {
        for (value, scale, format, expected) in [
            (12_345, 3, "99.9", " 12.3"),
            (12_350, 3, "99.9", " 12.4"),
            (-4, 3, "9.99", "  .00"),
            (5, 0, "9.99", " 5.00"),
            (99_995, 3, "999.99", " 100.00"),
            (12, 0, "99V99", " 1200"),
        ] {
            let mut out = String::new();
            decimal(
                value,
                scale,
                &number_pattern::parse(format).expect(format),
                &mut out,
            );
            assert_eq!(out, expected, "{value} {format}");
        }
        let mut out = String::new();
        double(
            -0.001,
            &number_pattern::parse("0.99").expect("format"),
            &mut out,
        );
        assert_eq!(out, " 0.00");
    }
}
