//! Partition transforms: between which values a column lies in the files of one partition.
//!
//! Source: Iceberg's specification, "Partition Transforms".

use super::types::{Plain, Single, decimal};
use crate::format::avro::value::Value;
use chrono::{Datelike, NaiveDate};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;
/// Microseconds of an hour.
const HOUR_US: i64 = 3_600_000_000;

/// How the value of a partition follows from that of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    Identity,
    /// A hash, of which nothing follows but which rows are null.
    Bucket,
    Truncate(i64),
    Year,
    Month,
    Day,
    Hour,
    /// Always null, or one that is not known: nothing follows.
    Void,
}

/// What follows for a column from the partition of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Range {
    pub(super) low: Option<Single>,
    pub(super) high: Option<Single>,
    /// Whether all rows are null, or none is.
    pub(super) is_null: Option<bool>,
}

impl Transform {
    /// Reads a transform as a partition spec names it.
    pub(super) fn read(text: &str) -> Self {
        let width = text.strip_prefix("truncate[");
        let width = width.and_then(|rest| rest.strip_suffix(']')?.parse().ok());
        match (text, width) {
            (_, Some(width)) if width > 0 => Self::Truncate(width),
            ("identity", _) => Self::Identity,
            ("year", _) => Self::Year,
            ("month", _) => Self::Month,
            ("day", _) => Self::Day,
            ("hour", _) => Self::Hour,
            _ if text.starts_with("bucket[") => Self::Bucket,
            _ => Self::Void,
        }
    }

    /// Tells what follows for a column of a type from a partition's value.
    pub(super) fn range(self, source: Plain, value: &Value) -> Range {
        if self == Self::Void {
            return Range::default();
        }
        let is_null = Some(*value == Value::Null);
        let (low, high) = match self.ends(source, value) {
            Some((low, high)) => (low, high),
            None => (None, None),
        };
        Range { low, high, is_null }
    }

    fn ends(self, source: Plain, value: &Value) -> Option<(Option<Single>, Option<Single>)> {
        let span =
            |first: i64, last: i64| Some((Some(Single::Whole(first)), Some(Single::Whole(last))));
        match self {
            Self::Identity => {
                let value = single(source, value)?;
                Some((Some(value.clone()), Some(value)))
            }
            Self::Truncate(width) => match single(source, value)? {
                Single::Whole(value) => span(value, value.checked_add(width - 1)?),
                Single::Decimal(value) => {
                    let last = value.checked_add(i128::from(width) - 1)?;
                    Some((Some(Single::Decimal(value)), Some(Single::Decimal(last))))
                }
                // What is behind the beginning of a text may be anything.
                Single::Text(value) => Some((Some(Single::Text(value)), None)),
                Single::Boolean(_) | Single::Real(_) => None,
            },
            Self::Year | Self::Month | Self::Day | Self::Hour => {
                let last = value.long()?;
                // Old writers rounded times before 1970 up.
                let first = if last <= 0 {
                    last.checked_sub(1)?
                } else {
                    last
                };
                let next = last.checked_add(1)?;
                let (begin, end) = (self.begin(first, source)?, self.begin(next, source)?);
                span(begin, end.checked_sub(1)?)
            }
            Self::Bucket | Self::Void => None,
        }
    }

    /// Gives the first day, or microsecond, of a span of time, by its number from 1970.
    fn begin(self, number: i64, source: Plain) -> Option<i64> {
        let days = match self {
            Self::Year => first_day(number.checked_mul(12)?)?,
            Self::Month => first_day(number)?,
            Self::Day => number,
            Self::Hour => {
                return match source {
                    Plain::Timestamp { .. } => number.checked_mul(HOUR_US),
                    _ => None,
                };
            }
            _ => return None,
        };
        match source {
            Plain::Date => Some(days),
            Plain::Timestamp { .. } => days.checked_mul(DAY_US),
            _ => None,
        }
    }
}

/// Gives the first day of a month, both by their numbers from January 1970.
fn first_day(month: i64) -> Option<i64> {
    let year = i32::try_from(month.div_euclid(12).checked_add(1970)?).ok()?;
    let month = u32::try_from(month.rem_euclid(12)).ok()? + 1;
    let day = NaiveDate::from_ymd_opt(year, month, 1)?;
    let first = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    Some(i64::from(day.num_days_from_ce()) - i64::from(first.num_days_from_ce()))
}

/// Gives the value of a partition as one of a column.
fn single(source: Plain, value: &Value) -> Option<Single> {
    Some(match (source, value) {
        (Plain::Boolean, Value::Boolean(value)) => Single::Boolean(*value),
        (Plain::Int | Plain::Long | Plain::Date | Plain::Timestamp { .. }, Value::Long(value)) => {
            Single::Whole(*value)
        }
        (Plain::Float | Plain::Double, Value::Float(bits)) => {
            Single::Real(f64::from(f32::from_bits(*bits)))
        }
        (Plain::Double, Value::Double(bits)) => Single::Real(f64::from_bits(*bits)),
        (Plain::Decimal { .. }, Value::Bytes(bytes)) => Single::Decimal(decimal(bytes)?),
        (Plain::String, Value::Text(text)) => Single::Text(text.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(year: i32, month: u32, day: u32) -> i64 {
        let day = NaiveDate::from_ymd_opt(year, month, day).expect("a day");
        let first = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a day");
        (day - first).num_days()
    }

    #[test]
    fn times_lie_within_their_span() {
        let check = |transform: &str, value: i64, first: i64, last: i64| {
            let range = Transform::read(transform).range(Plain::Date, &Value::Long(value));
            let expected = (Some(Single::Whole(first)), Some(Single::Whole(last)));
            assert_eq!((range.low, range.high), expected, "{transform} {value}");
        };
        check("year", 54, days(2024, 1, 1), days(2024, 12, 31));
        check("month", 54 * 12 + 1, days(2024, 2, 1), days(2024, 2, 29));
        check("day", 19_000, 19_000, 19_000);
        check("year", -1, days(1968, 1, 1), days(1969, 12, 31));
        let zoned = Plain::Timestamp { has_zone: true };
        let range = Transform::Hour.range(zoned, &Value::Long(5));
        assert_eq!(range.low, Some(Single::Whole(5 * HOUR_US)));
        assert_eq!(range.high, Some(Single::Whole(6 * HOUR_US - 1)));
        let odd = Transform::Hour.range(Plain::Date, &Value::Long(5));
        assert_eq!(odd.low, None);
        let far = Transform::Year.range(Plain::Date, &Value::Long(i64::MAX));
        assert_eq!(far.low, None);
    }

    #[test]
    fn other_transforms() {
        let range = Transform::read("truncate[10]").range(Plain::Long, &Value::Long(-10));
        assert_eq!(range.low, Some(Single::Whole(-10)));
        assert_eq!(range.high, Some(Single::Whole(-1)));
        let text = Value::Text("ab".to_owned());
        let range = Transform::read("truncate[2]").range(Plain::String, &text);
        assert_eq!((range.low.is_some(), range.high), (true, None));
        let range = Transform::read("bucket[16]").range(Plain::Long, &Value::Long(3));
        assert_eq!((range.low, range.is_null), (None, Some(false)));
        let range = Transform::read("void").range(Plain::Long, &Value::Null);
        assert_eq!(range, Range::default());
        let range = Transform::read("identity").range(Plain::Long, &Value::Null);
        assert_eq!(range.is_null, Some(true));
    }
}
