//! Intervals from text: `1 year 2 months`, `3 days 04:05:06.5`, `1-2` from year to month, `1 2:3:4` from day to second.
//!
//! Source: the manual's page on interval literals. A fraction goes over to the next smaller unit: half a month is 15
//! days, half a day 12 hours.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Months are taken for so many days where a part of one is meant.
const MONTH_DAYS: f64 = 30.0;

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) nanoseconds: i64,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Months(i32),
    Days(i32),
    Nanoseconds(i64),
}

impl Unit {
    /// Seconds, which a number without a unit counts.
    pub(crate) const SECOND: Self = Self::Nanoseconds(SECOND);

    /// Reads a unit's name in any of its forms.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "millennium" | "millennia" | "mil" | "mils" => Self::Months(12_000),
            "century" | "centuries" | "c" | "cent" | "cents" => Self::Months(1_200),
            "decade" | "decades" | "dec" | "decs" => Self::Months(120),
            "year" | "years" | "yr" | "yrs" | "y" => Self::Months(12),
            "quarter" | "quarters" | "qtr" | "qtrs" => Self::Months(3),
            "month" | "months" | "mon" | "mons" => Self::Months(1),
            "week" | "weeks" | "w" => Self::Days(7),
            "day" | "days" | "d" => Self::Days(1),
            "hour" | "hours" | "hr" | "hrs" | "h" => Self::Nanoseconds(HOUR),
            "minute" | "minutes" | "min" | "mins" | "m" => Self::Nanoseconds(MINUTE),
            "second" | "seconds" | "sec" | "secs" | "s" => Self::Nanoseconds(SECOND),
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds"
            | "millisec" | "millisecs" | "millisecon" => Self::Nanoseconds(SECOND / 1_000),
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds"
            | "microsec" | "microsecs" | "microsecon" => Self::Nanoseconds(SECOND / 1_000_000),
            _ => return None,
        })
    }
}

impl Interval {
    /// Reads a text; `unit` is what a number without one counts.
    pub(crate) fn parse(text: &str, unit: Option<Unit>) -> Result<Self> {
        let wrong = || {
            Error::new(
                SqlState::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type interval: \"{text}\""),
            )
        };
        let mut sum = Self::default();
        let mut words = words(text).into_iter().peekable();
        let mut any = false;
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case("ago") && words.peek().is_none() && any {
                return sum.negated().ok_or_else(wrong);
            }
            any = true;
            let added = if word.contains(':') {
                sum.add_clock(word, unit)
            } else if let Some((years, months)) = years_and_months(word) {
                sum.add_months(years, months)
            } else {
                let named = words.peek().and_then(|next| Unit::parse(next));
                if named.is_some() {
                    words.next();
                }
                // A number before a clock counts days.
                let before_clock = words.peek().is_some_and(|next| next.contains(':'));
                let days = before_clock.then_some(Unit::Days(1));
                let unit = named.or(days).or(unit).unwrap_or(Unit::SECOND);
                sum.add(word, unit)
            };
            added.ok_or_else(wrong)?;
        }
        if any { Ok(sum) } else { Err(wrong()) }
    }

    /// Drops what is smaller than a unit.
    pub(crate) fn cut(self, unit: Unit) -> Self {
        match unit {
            Unit::Months(size) => Self {
                months: self.months - self.months % size.max(1),
                days: 0,
                nanoseconds: 0,
            },
            Unit::Days(_) => Self {
                nanoseconds: 0,
                ..self
            },
            Unit::Nanoseconds(size) => Self {
                nanoseconds: self.nanoseconds - self.nanoseconds % size.max(1),
                ..self
            },
        }
    }

    fn negated(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            nanoseconds: self.nanoseconds.checked_neg()?,
        })
    }

    fn add_months(&mut self, years: i32, months: i32) -> Option<()> {
        let all = years.checked_mul(12)?.checked_add(months)?;
        self.months = self.months.checked_add(all)?;
        Some(())
    }

    /// HH:MM, HH:MM:SS.fff, or MM:SS where minutes are what is counted.
    fn add_clock(&mut self, text: &str, unit: Option<Unit>) -> Option<()> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let parts: Vec<&str> = digits.split(':').collect();
        let sizes: &[i64] = match parts.len() {
            2 if unit == Some(Unit::Nanoseconds(MINUTE)) => &[MINUTE, SECOND],
            2 => &[HOUR, MINUTE],
            3 => &[HOUR, MINUTE, SECOND],
            _ => return None,
        };
        let mut clock = Self::default();
        for (part, size) in parts.iter().zip(sizes) {
            if !part.starts_with(|ch: char| ch.is_ascii_digit()) {
                return None;
            }
            clock.add(part, Unit::Nanoseconds(*size))?;
        }
        let nanoseconds = if negative {
            -clock.nanoseconds
        } else {
            clock.nanoseconds
        };
        self.nanoseconds = self.nanoseconds.checked_add(nanoseconds)?;
        Some(())
    }

    /// Adds a number of a unit.
    fn add(&mut self, number: &str, unit: Unit) -> Option<()> {
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        };
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        if digits.is_empty() || !plain(digits) {
            return None;
        }
        let whole = |text: &str| match text {
            "" | "-" | "+" => Some(0),
            text => text.parse::<i64>().ok(),
        };
        let (head, tail) = number.split_once('.').unwrap_or((number, ""));
        let count = whole(head)?;
        let fraction: f64 = match tail {
            "" => 0.0,
            tail => format!("0.{tail}").parse().ok()?,
        };
        let fraction = if number.starts_with('-') {
            -fraction
        } else {
            fraction
        };
        match unit {
            Unit::Months(size) => {
                let months = i32::try_from(count.checked_mul(size.into())?).ok()?;
                let more = fraction * f64::from(size);
                self.add_months(0, months)?;
                self.add_months(0, more.trunc() as i32)?;
                self.add_days(more.fract() * MONTH_DAYS)
            }
            Unit::Days(size) => {
                let days = i32::try_from(count.checked_mul(size.into())?).ok()?;
                self.days = self.days.checked_add(days)?;
                self.add_days(fraction * f64::from(size))
            }
            Unit::Nanoseconds(size) => {
                let more = (fraction * size as f64).round() as i64;
                let nanoseconds = count.checked_mul(size)?.checked_add(more)?;
                self.nanoseconds = self.nanoseconds.checked_add(nanoseconds)?;
                Some(())
            }
        }
    }

    fn add_days(&mut self, days: f64) -> Option<()> {
        self.days = self.days.checked_add(days.trunc() as i32)?;
        let rest = (days.fract() * 24.0 * HOUR as f64 / 1_000.0).round() as i64 * 1_000;
        self.nanoseconds = self.nanoseconds.checked_add(rest)?;
        Some(())
    }
}

/// `1-2`: a year and two months.
fn years_and_months(word: &str) -> Option<(i32, i32)> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let (years, months) = digits.split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i32>().ok()).flatten()
    };
    Some((sign * number(years)?, sign * number(months)?))
}

/// Numbers and units, also where nothing parts them: `2h30m`.
fn words(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in text
        .split([' ', ',', '\t', '\n'])
        .filter(|part| !part.is_empty())
    {
        let mut rest = part;
        while !rest.is_empty() {
            let letter = rest.starts_with(char::is_alphabetic);
            let end = rest.find(|ch: char| ch.is_alphabetic() != letter);
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            found.push(word);
            rest = after;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_have_many_forms() {
        let minute = Some(Unit::Nanoseconds(MINUTE));
        for (text, unit, months, days, seconds) in [
            ("1 year 2 months", None, 14, 0, 0.0),
            ("3 days 04:05:06.5", None, 0, 3, 14_706.5),
            ("1-2", Some(Unit::Months(12)), 14, 0, 0.0),
            ("-1-2", None, -14, 0, 0.0),
            ("1 2:3:4.5", Some(Unit::Days(1)), 0, 1, 7_384.5),
            ("2:30", minute, 0, 0, 150.0),
            ("52 weeks", None, 0, 364, 0.0),
            ("5", Some(Unit::Days(1)), 0, 5, 0.0),
            ("1.5 months", None, 1, 15, 0.0),
            ("0.5 day", None, 0, 0, 43_200.0),
            ("1 hr 2 min 3 secs ago", None, 0, 0, -3_723.0),
            ("2h30m", None, 0, 0, 9_000.0),
            ("7", None, 0, 0, 7.0),
        ] {
            let expected = Interval {
                months,
                days,
                nanoseconds: (seconds * 1e9) as i64,
            };
            assert_eq!(Interval::parse(text, unit).expect(text), expected, "{text}");
        }
        for text in ["", "a day", "1 fortnight", "1:2:3:4", "999999999999 years"] {
            assert!(Interval::parse(text, None).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[0-9a-z:. +-]{0,30}|.*") {
            let _ = Interval::parse(&text, None);
        }
    }
}
