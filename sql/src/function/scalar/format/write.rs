//! Writes a moment by a format.

use super::pattern::{Case, DAYS, Field, MONTHS, Piece, ROMAN, ordinal};
use crate::function::scalar::date::calendar::{
    Civil, HOUR, MINUTE, SECOND, civil, day_of_year, iso_week, split, weekday,
};
use std::fmt::Write;

/// Days from the first Julian day to 1970-01-01.
const JULIAN: i64 = 2_440_588;

/// A moment with what its clock shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) day: Civil,
    /// Days from 1970.
    pub(super) days: i64,
    /// Microseconds of the day; more than a day's in an interval.
    pub(super) time: i64,
    /// The abbreviation of the time zone.
    pub(super) zone: &'a str,
    /// Seconds ahead of UTC.
    pub(super) offset: i64,
}

impl Moment<'static> {
    /// A timestamp without a zone.
    pub(super) fn new(timestamp: i64) -> Self {
        let (days, time) = split(timestamp);
        Self {
            day: civil(days),
            days,
            time,
            zone: "UTC",
            offset: 0,
        }
    }
}

/// Appends a moment in a format.
pub(super) fn write(pieces: &[Piece], moment: &Moment<'_>, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Quoted(text) => out.push_str(text),
            Piece::Other(ch) => out.push(*ch),
            Piece::Field {
                field,
                case,
                fill,
                ordinal: counted,
                ..
            } => {
                let start = out.len();
                write_field(*field, *case, *fill, moment, out);
                if let Some(case) = counted {
                    let number = out.get(start..).unwrap_or_default();
                    let suffix = ordinal(number, *case);
                    out.push_str(suffix);
                }
            }
        }
    }
}

fn write_field(field: Field, case: Case, fill: bool, at: &Moment<'_>, out: &mut String) {
    let year = at.day.year;
    // Years before the first are counted from 1 again.
    let shown = if year > 0 { year } else { 1 - year };
    let number = |out: &mut String, value: i64, width: usize| {
        let width = if fill { 0 } else { width };
        let _ = write!(out, "{value:0width$}");
    };
    match field {
        Field::Era { points } => {
            let word = match (year > 0, points) {
                (true, false) => "AD",
                (true, true) => "A.D.",
                (false, false) => "BC",
                (false, true) => "B.C.",
            };
            letters(out, word, case, 0);
        }
        Field::Half { points } => {
            let word = match (at.time / HOUR % 24 < 12, points) {
                (true, false) => "AM",
                (true, true) => "A.M.",
                (false, false) => "PM",
                (false, true) => "P.M.",
            };
            letters(out, word, case, 0);
        }
        Field::Century => number(out, (shown + 99) / 100, 2),
        Field::DayName => {
            letters(
                out,
                named(&DAYS, weekday(at.days)),
                case,
                if fill { 0 } else { 9 },
            );
        }
        Field::DayShort => letters(out, short(named(&DAYS, weekday(at.days))), case, 0),
        Field::DayOfYear => number(out, day_of_year(at.day, at.days), 3),
        Field::IsoDayOfYear => {
            let week = iso_week(at.days).1;
            number(out, (week - 1) * 7 + iso_day(at.days), 3);
        }
        Field::Day => number(out, at.day.day, 2),
        Field::DayOfWeek => number(out, weekday(at.days) + 1, 1),
        Field::IsoDayOfWeek => number(out, iso_day(at.days), 1),
        Field::Hour24 => number(out, at.time / HOUR, 2),
        Field::Hour12 => number(out, (at.time / HOUR + 11).rem_euclid(12) + 1, 2),
        Field::Minute => number(out, at.time / MINUTE % 60, 2),
        Field::Second => number(out, at.time / SECOND % 60, 2),
        Field::SecondOfDay => number(out, at.time / SECOND, 1),
        Field::Millisecond => {
            let _ = write!(out, "{:03}", at.time % SECOND / 1_000);
        }
        Field::Microsecond => {
            let _ = write!(out, "{:06}", at.time % SECOND);
        }
        Field::IsoWeek => number(out, iso_week(at.days).1, 2),
        Field::IsoYear { digits } => {
            let year = iso_week(at.days).0;
            let shown = if year > 0 { year } else { 1 - year };
            last_digits(out, shown, digits, fill);
        }
        Field::Julian => number(out, at.days + JULIAN, 1),
        Field::Month => number(out, at.day.month, 2),
        Field::MonthName => {
            let name = named(&MONTHS, at.day.month - 1);
            letters(out, name, case, if fill { 0 } else { 9 });
        }
        Field::MonthShort => letters(out, short(named(&MONTHS, at.day.month - 1)), case, 0),
        Field::MonthRoman => {
            let name = named(&ROMAN, at.day.month - 1);
            let case = if case == Case::Lower {
                case
            } else {
                Case::Upper
            };
            letters(out, name, case, if fill { 0 } else { 4 });
        }
        Field::Quarter => number(out, (at.day.month - 1) / 3 + 1, 1),
        Field::WeekOfYear => number(out, (day_of_year(at.day, at.days) - 1) / 7 + 1, 2),
        Field::WeekOfMonth => number(out, (at.day.day - 1) / 7 + 1, 1),
        Field::Year { digits } => last_digits(out, shown, digits, fill),
        Field::YearComma => {
            let _ = write!(out, "{},{:03}", shown / 1_000, shown % 1_000);
        }
        Field::ZoneName => letters(out, at.zone, case, 0),
        Field::ZoneOffset => {
            let sign = if at.offset < 0 { '-' } else { '+' };
            let minutes = at.offset.abs() / 60;
            let _ = write!(out, "{sign}{:02}", minutes / 60);
            if minutes % 60 > 0 {
                let _ = write!(out, ":{:02}", minutes % 60);
            }
        }
    }
}

/// From 1 for Monday to 7 for Sunday.
fn iso_day(days: i64) -> i64 {
    (weekday(days) + 6) % 7 + 1
}

fn last_digits(out: &mut String, year: i64, digits: usize, fill: bool) {
    let value = match digits {
        1 => year % 10,
        2 => year % 100,
        3 => year % 1_000,
        _ => year,
    };
    let width = if fill { 0 } else { digits };
    let _ = write!(out, "{value:0width$}");
}

fn named<'a>(names: &[&'a str], index: i64) -> &'a str {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    names.get(index).copied().unwrap_or_default()
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

/// Writes a word in a case, with blanks up to a width.
fn letters(out: &mut String, word: &str, case: Case, width: usize) {
    match case {
        Case::Upper => out.extend(word.chars().map(|ch| ch.to_ascii_uppercase())),
        Case::Lower => out.extend(word.chars().map(|ch| ch.to_ascii_lowercase())),
        Case::Title => out.push_str(word),
    }
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(word.len())));
}
