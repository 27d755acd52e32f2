//! Dates and times from text, in every form Redshift takes: `1999-01-08`, `January 8, 1999`, `1/8/99`, `19990108`,
//! `08-Jan-1999 04:05:06.789 PM EST`.
//!
//! Source: the manual's pages on date, time and timestamp literals. What a date of numbers alone says whose year is not
//! first depends on the second half of DATESTYLE: month, day, year if it is MDY.

use super::zone::Zone;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::types::date_order::DateOrder;
use crate::types::timetz::{TimeTz, ZONE_MINUTES_MAX};
use chrono::{Datelike, NaiveDate};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Days from 0001-01-01 to 1970-01-01, as `chrono` counts them.
const EPOCH_DAYS: i32 = 719_163;
/// The day 1970-01-01 as astronomers count days, from 4714-11-24 BC: no date is before that.
const EPOCH_JULIAN: i32 = 2_440_588;
/// Two-digit years below are of this century, the others of the last.
const CENTURY_TURN: i32 = 70;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// What a text says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moment<'a> {
    /// Days from 1970.
    days: Option<i32>,
    /// Microseconds of the day.
    time: Option<i64>,
    /// The zone, as written.
    zone: &'a str,
}

/// Why a text is not a moment.
enum Wrong {
    /// It has no known form.
    Form,
    /// It has, but there is no such day or time.
    Range,
    /// It is before or after all days.
    Infinite,
}

/// Reads a DATE, in days from 1970. A time behind it is let go.
pub(crate) fn read_date(text: &str, order: DateOrder) -> Result<i32> {
    if let Some(days) = plain_date(text) {
        return Ok(days);
    }
    let days = match parse(text, order) {
        Ok(moment) => moment.days.ok_or(Wrong::Form),
        Err(wrong) => Err(wrong),
    };
    days.map_err(|wrong| not_a(text, "date", &wrong))
}

/// Reads a TIME, in microseconds.
pub(crate) fn read_time(text: &str) -> Result<i64> {
    let name = "time";
    if let Some(time) = packed_time(text.trim()) {
        return time.map_err(|wrong| not_a(text, name, &wrong));
    }
    match parse(text, DateOrder::Mdy) {
        Ok(Moment {
            time: Some(time), ..
        }) => Ok(time),
        Ok(_) => Err(not_a(text, name, &Wrong::Form)),
        Err(wrong) => Err(not_a(text, name, &wrong)),
    }
}

/// Reads a TIMETZ; without a zone it is of the session's, as its clocks are in winter if the text has no date.
pub(crate) fn read_timetz(text: &str, session: Zone) -> Result<TimeTz> {
    let name = "time with time zone";
    let form = || not_a(text, name, &Wrong::Form);
    let packed = packed_time(text.trim());
    let (time, days, zone) = match packed {
        Some(time) => {
            let time = time.map_err(|wrong| not_a(text, name, &wrong))?;
            let zone = text.trim().find(['+', '-']);
            (time, None, zone.map_or("", |at| text.trim().split_at(at).1))
        }
        None => {
            let moment = parse(text, DateOrder::Mdy).map_err(|wrong| not_a(text, name, &wrong))?;
            (moment.time.ok_or_else(form)?, moment.days, moment.zone)
        }
    };
    let local = i64::from(days.unwrap_or(0)) * DAY + time;
    let ahead = match zone {
        "" => local - session.instant(local)?,
        zone => match offset(zone) {
            Some(ahead) => ahead,
            None => local - Zone::parse(zone)?.instant(local)?,
        },
    };
    let ahead = ahead / MINUTE;
    if ahead.abs() > ZONE_MINUTES_MAX {
        return Err(not_a(text, name, &Wrong::Range));
    }
    Ok(TimeTz { local: time, ahead })
}

/// Reads a TIMESTAMP, in microseconds from 1970. A zone behind it is let go.
pub(crate) fn read_timestamp(text: &str, order: DateOrder) -> Result<i64> {
    let name = "timestamp";
    let (local, _) = local(text, order).map_err(|wrong| not_a(text, name, &wrong))?;
    Ok(local)
}

/// Reads a TIMESTAMPTZ, in microseconds from 1970 in UTC; without a zone it is one of the session's.
pub(crate) fn read_timestamptz(text: &str, session: Zone, order: DateOrder) -> Result<i64> {
    let name = "timestamp with time zone";
    let (local, zone) = local(text, order).map_err(|wrong| not_a(text, name, &wrong))?;
    match zone {
        "" => session.instant(local),
        zone => match offset(zone) {
            Some(ahead) => Ok(local.saturating_sub(ahead)),
            None => Zone::parse(zone)?.instant(local),
        },
    }
}

fn local(text: &str, order: DateOrder) -> Result<(i64, &str), Wrong> {
    let moment = parse(text, order)?;
    let days = moment.days.ok_or(Wrong::Form)?;
    let time = moment.time.unwrap_or_default();
    let local = i64::from(days)
        .checked_mul(DAY)
        .and_then(|start| start.checked_add(time));
    Ok((local.ok_or(Wrong::Range)?, moment.zone))
}

fn not_a(text: &str, name: &str, wrong: &Wrong) -> Error {
    match wrong {
        Wrong::Form => Error::new(
            SqlState::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type {name}: \"{text}\""),
        ),
        Wrong::Range if is_late(text) => Error::unsupported(
            format!("\"{text}\" as a {name}, a day after the year {YEAR_MAX},"),
            "Use 9999-12-31 for a day that never comes",
        ),
        Wrong::Range => Error::new(
            SqlState::DATETIME_FIELD_OVERFLOW,
            format!("date/time field value out of range: \"{text}\""),
        ),
        Wrong::Infinite => Error::unsupported(
            format!("{text} as a {name}"),
            "Use a date far away, such as 9999-12-31 or 4713-01-01 BC",
        ),
    }
}

/// The last year whose days the engine counts; Redshift goes up to 294276.
const YEAR_MAX: u32 = 262_142;

/// Tells whether a text begins with a year that is beyond the engine alone.
fn is_late(text: &str) -> bool {
    let text = text.trim_start();
    let year = text.split(['-', '/', '.']).next().unwrap_or_default();
    let year = year.parse::<u32>().ok();
    year.is_some_and(|year| {
        year > YEAR_MAX
            && text
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .starts_with('-')
    })
}

/// The form that data has: YYYY-MM-DD.
fn plain_date(text: &str) -> Option<i32> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = text.as_bytes() else {
        return None;
    };
    let digits = [a, b, c, d, e, f, g, h].map(|byte| i32::from(byte.wrapping_sub(b'0')));
    if digits.iter().any(|digit| !(0..=9).contains(digit)) {
        return None;
    }
    let [a, b, c, d, e, f, g, h] = digits;
    let (month, day) = (u32::try_from(e * 10 + f), u32::try_from(g * 10 + h));
    let year = a * 1000 + b * 100 + c * 10 + d;
    let date = NaiveDate::from_ymd_opt(year, month.ok()?, day.ok()?)?;
    (year > 0).then(|| date.num_days_from_ce() - EPOCH_DAYS)
}

/// HHMMSS or HHMM.
fn packed_time(text: &str) -> Option<Result<i64, Wrong>> {
    let (digits, zone) = text.split_at(text.find(['+', '-']).unwrap_or(text.len()));
    let is_packed = matches!(digits.len(), 4 | 6)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (zone.is_empty() || offset(zone).is_some());
    let part = |at: usize| {
        digits
            .get(at..at + 2)
            .and_then(|part| part.parse::<i64>().ok())
    };
    is_packed.then(|| {
        let (hours, minutes) = (part(0).unwrap_or(99), part(2).unwrap_or(99));
        let seconds = if digits.len() == 6 {
            part(4).unwrap_or(99)
        } else {
            0
        };
        of_day(hours, minutes, seconds, 0)
    })
}

fn of_day(hours: i64, minutes: i64, seconds: i64, micros: i64) -> Result<i64, Wrong> {
    let time = hours * HOUR + minutes * MINUTE + seconds * SECOND + micros;
    let fits = hours <= 24 && minutes < 60 && seconds <= 60 && time <= DAY;
    fits.then_some(time).ok_or(Wrong::Range)
}

fn parse(text: &str, order: DateOrder) -> Result<Moment<'_>, Wrong> {
    let text = text.trim();
    if let Some((day, zone)) = day_and_zone(text) {
        let (date, common) = without_era(day);
        return Ok(Moment {
            days: Some(parse_date(date, common, order)?),
            time: None,
            zone,
        });
    }
    let Some(colon) = text.find(':') else {
        if let Some((days, time)) = packed(text)? {
            return Ok(Moment {
                days: Some(days),
                time: Some(time),
                zone: "",
            });
        }
        let (date, common) = without_era(text);
        return Ok(Moment {
            days: Some(parse_date(date, common, order)?),
            time: None,
            zone: "",
        });
    };
    let (before, _) = text.split_at(colon);
    let hours = before
        .trim_end_matches(|ch: char| ch.is_ascii_digit())
        .len();
    let (date, rest) = text.split_at(hours);
    let (clock, rest) = match rest.find(|ch: char| !(ch.is_ascii_digit() || ch == ':' || ch == '.'))
    {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let mut time = parse_clock(clock)?;
    let (rest, common) = without_era(rest.trim());
    let (year, rest) = year_behind(rest.trim());
    let mut zone = rest;
    if let Some(half) = zone.get(..2) {
        let half = half.to_ascii_lowercase();
        let alone = zone
            .get(2..)
            .is_none_or(|rest| !rest.starts_with(char::is_alphabetic));
        if alone && (half == "am" || half == "pm") {
            let hour = time / HOUR;
            let fits = (1..=12).contains(&hour) || (half == "pm" && hour > 12);
            if !fits {
                return Err(Wrong::Range);
            }
            if half == "am" && hour == 12 {
                time -= 12 * HOUR;
            } else if half == "pm" && hour < 12 {
                time += 12 * HOUR;
            }
            zone = zone.get(2..).unwrap_or_default().trim();
        }
    }
    if !zone.is_empty() && offset(zone).is_none() && Zone::parse(zone).is_err() {
        return Err(Wrong::Form);
    }
    let date = date.trim_end();
    let date = match date.strip_suffix(['T', 't']) {
        Some(stem) if stem.ends_with(|ch: char| ch.is_ascii_digit()) => stem,
        _ => date,
    };
    let date = date.trim_end_matches([',', ' ']);
    let days = match date.is_empty() {
        true => None,
        false => Some(match year {
            "" => parse_date(date, common, order)?,
            year => parse_date(&format!("{date} {year}"), common, order)?,
        }),
    };
    Ok(Moment {
        days,
        time: Some(time),
        zone,
    })
}

/// `2026-11-10 +00`: a day and an offset without a time, as JDBC sends dates.
fn day_and_zone(text: &str) -> Option<(&str, &str)> {
    let (day, zone) = text.rsplit_once(' ')?;
    let is_offset = zone.starts_with(['+', '-']) && offset(zone).is_some();
    (is_offset && !day.contains(':')).then(|| (day.trim_end(), zone))
}

/// Takes a year off the front: `17 Dec 07:37:16 1997 PST`.
fn year_behind(text: &str) -> (&str, &str) {
    let end = text
        .find(|ch: char| !ch.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    match digits.len() == 4 && (rest.is_empty() || rest.starts_with(' ')) {
        true => (digits, rest.trim()),
        false => ("", text),
    }
}

/// `19990108T040506`: eight digits and six, parted by a `T` or a blank.
fn packed(text: &str) -> Result<Option<(i32, i64)>, Wrong> {
    let Some((date, rest)) = text.split_at_checked(8) else {
        return Ok(None);
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let time = rest.strip_prefix(['T', 't', ' ']).unwrap_or_default();
    if time.len() != 6 || !is_digits(date) || !is_digits(time) {
        return Ok(None);
    }
    let time = packed_time(time).ok_or(Wrong::Form)??;
    Ok(Some((parse_date(date, true, DateOrder::Mdy)?, time)))
}

/// Takes BC or AD off the end; `false` if it was BC.
fn without_era(text: &str) -> (&str, bool) {
    let start = text.len().saturating_sub(2);
    let Some((stem, end)) = text.split_at_checked(start) else {
        return (text, true);
    };
    let alone =
        !stem.ends_with(char::is_alphanumeric) || stem.ends_with(|ch: char| ch.is_ascii_digit());
    match end.to_ascii_lowercase().as_str() {
        "bc" if alone => (stem.trim_end(), false),
        "ad" if alone => (stem.trim_end(), true),
        _ => (text, true),
    }
}

/// HH:MM, HH:MM:SS or HH:MM:SS.ffffff; digits beyond microseconds are rounded.
fn parse_clock(text: &str) -> Result<i64, Wrong> {
    let mut parts = text.split(':');
    let whole = |part: Option<&str>| {
        let part = part.filter(|part| (1..=2).contains(&part.len()));
        part.and_then(|part| part.parse::<i64>().ok())
            .ok_or(Wrong::Form)
    };
    let hours = whole(parts.next())?;
    let minutes = whole(parts.next())?;
    let seconds = parts.next();
    if parts.next().is_some() {
        return Err(Wrong::Form);
    }
    let Some(seconds) = seconds else {
        return of_day(hours, minutes, 0, 0);
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let seconds = whole(Some(seconds))?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Form);
    }
    let mut micros = 0;
    for place in 0..6 {
        let digit = fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0');
        micros = micros * 10 + i64::from(digit);
    }
    if fraction.as_bytes().get(6).is_some_and(|byte| *byte >= b'5') {
        micros += 1;
    }
    of_day(hours, minutes, seconds, micros)
}

/// `+05`, `-8`, `-08:00`, `+0530`: microseconds ahead of UTC.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return None,
    };
    let number = |part: &str| {
        let is_number =
            (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes, seconds) = match digits.split(':').collect::<Vec<_>>().as_slice() {
        [packed] if packed.len() == 4 => {
            let (hours, minutes) = packed.split_at_checked(2)?;
            (number(hours)?, number(minutes)?, 0)
        }
        [hours] => (number(hours)?, 0, 0),
        [hours, minutes] => (number(hours)?, number(minutes)?, 0),
        [hours, minutes, seconds] => (number(hours)?, number(minutes)?, number(seconds)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60 && seconds < 60)
        .then(|| sign * (hours * HOUR + minutes * MINUTE + seconds * SECOND))
}

fn named(names: &[&str], word: &str) -> Option<u32> {
    let lower = word.to_ascii_lowercase();
    let is_it = |name: &&str| {
        lower.len() >= 3
            && (name.starts_with(&lower) || (lower == "sept" && **name == *"september"))
    };
    let found = names.iter().position(is_it)?;
    u32::try_from(found + 1).ok()
}

/// A part of a date: digits or letters.
fn parts(text: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = |ch: char| match first {
            first if first.is_ascii_digit() => ch.is_ascii_digit(),
            _ => ch.is_ascii_alphabetic(),
        };
        if matches!(first, ' ' | '-' | '/' | '.' | ',') {
            rest = rest.get(1..)?;
            continue;
        }
        if !first.is_ascii_alphanumeric() {
            return None;
        }
        let end = rest.find(|ch| !same(ch)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        found.push(part);
        rest = after;
    }
    Some(found)
}

fn parse_date(text: &str, common: bool, order: DateOrder) -> Result<i32, Wrong> {
    let word = text.trim().to_ascii_lowercase();
    match word.as_str() {
        "epoch" => return Ok(0),
        "infinity" | "-infinity" | "+infinity" => return Err(Wrong::Infinite),
        _ => {}
    }
    let mut parts = parts(text).ok_or(Wrong::Form)?;
    parts.retain(|part| named(&DAYS, part).is_none());
    let number = |part: &str| part.parse::<u32>().map_err(|_| Wrong::Form);
    let (year, month, day) = match parts.as_slice() {
        [letter, digits] if letter.eq_ignore_ascii_case("j") => {
            let julian: i32 = digits.parse().map_err(|_| Wrong::Form)?;
            return Ok(julian - EPOCH_JULIAN);
        }
        [digits] if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let cut = match digits.len() {
                8 => 4,
                6 => 2,
                7 => return of_year(digits.get(..4), digits.get(4..), common),
                _ => return Err(Wrong::Form),
            };
            let (year, rest) = digits.split_at(cut);
            let (month, day) = rest.split_at(2);
            (year, number(month)?, number(day)?)
        }
        [year, day] if year.len() == 4 && day.len() == 3 && text.contains('.') => {
            return of_year(Some(year), Some(day), common);
        }
        [first, second, third] => {
            let year_first = first.len() > 2 || (order == DateOrder::Ymd && third.len() <= 2);
            match [first, second, third].map(|part| named(&MONTHS, part)) {
                [Some(_), None, None] if order == DateOrder::Ymd && third.len() <= 2 => {
                    return Err(Wrong::Range);
                }
                [Some(month), None, None] => (*third, month, number(second)?),
                [None, Some(month), None] if year_first => (*first, month, number(third)?),
                [None, Some(month), None] => (*third, month, number(first)?),
                [None, None, Some(month)] if first.len() > 2 => (*first, month, number(second)?),
                [None, None, None] if year_first => (*first, number(second)?, number(third)?),
                [None, None, None] if order == DateOrder::Ymd => return Err(Wrong::Range),
                [None, None, None] => {
                    let (first, second) = (number(first)?, number(second)?);
                    // 17.12.1997 can only be a day and a month.
                    let is_german = text.contains('.') && first > 12;
                    match order == DateOrder::Dmy || is_german {
                        true => (*third, second, first),
                        false => (*third, first, second),
                    }
                }
                _ => return Err(Wrong::Form),
            }
        }
        _ => return Err(Wrong::Form),
    };
    let year = full_year(year, common)?;
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or(Wrong::Range)?;
    let days = date.num_days_from_ce() - EPOCH_DAYS;
    match days >= -EPOCH_JULIAN {
        true => Ok(days),
        false => Err(Wrong::Range),
    }
}

fn of_year(year: Option<&str>, day: Option<&str>, common: bool) -> Result<i32, Wrong> {
    let (Some(year), Some(day)) = (year, day) else {
        return Err(Wrong::Form);
    };
    let year = full_year(year, common)?;
    let day = day.parse().map_err(|_| Wrong::Form)?;
    let date = NaiveDate::from_yo_opt(year, day).ok_or(Wrong::Range)?;
    Ok(date.num_days_from_ce() - EPOCH_DAYS)
}

/// The year before 1 is 1 BC, which is 0 in arithmetic.
fn full_year(text: &str, common: bool) -> Result<i32, Wrong> {
    let year: i32 = text.parse().map_err(|_| Wrong::Form)?;
    if text.len() <= 2 && common {
        return Ok(year + if year < CENTURY_TURN { 2000 } else { 1900 });
    }
    match common {
        _ if year == 0 => Err(Wrong::Range),
        true => Ok(year),
        false => Ok(1 - year),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str, order: DateOrder) -> String {
        match read_date(text, order) {
            Ok(days) => NaiveDate::from_num_days_from_ce_opt(days + EPOCH_DAYS)
                .unwrap()
                .to_string(),
            Err(error) => error.code.0.to_owned(),
        }
    }

    #[test]
    fn dates_have_many_forms() {
        for (text, expected) in [
            ("January 8, 1999", "1999-01-08"),
            ("1999-01-08", "1999-01-08"),
            ("1/8/1999", "1999-01-08"),
            ("01/02/00", "2000-01-02"),
            ("2000-Jan-31", "2000-01-31"),
            ("Jan-31-2000", "2000-01-31"),
            ("31-Jan-2000", "2000-01-31"),
            ("31 sept 99", "22008"),
            ("20080215", "2008-02-15"),
            ("080215", "2008-02-15"),
            ("2008.366", "2008-12-31"),
            ("Monday, May 4 2020", "2020-05-04"),
            ("2020-02-30", "22008"),
            ("13/01/2020", "22008"),
            ("2020-01-01 10:00:00", "2020-01-01"),
            ("0044-03-15 BC", "-0043-03-15"),
            ("2020-1-2", "2020-01-02"),
            ("", "22007"),
            ("2020", "22007"),
            ("yesterday", "22007"),
        ] {
            assert_eq!(day(text, DateOrder::Mdy), expected, "{text}");
        }
    }

    #[test]
    fn the_order_of_a_style_says_what_comes_first() {
        // As PostgreSQL's manual lists them: text; in MDY, DMY and YMD.
        for (text, expected) in [
            ("1999-01-08", ["1999-01-08"; 3]),
            ("1/8/1999", ["1999-01-08", "1999-08-01", "22008"]),
            ("1/18/1999", ["1999-01-18", "22008", "22008"]),
            ("01/02/03", ["2003-01-02", "2003-02-01", "2001-02-03"]),
            ("1999-Jan-08", ["1999-01-08"; 3]),
            ("Jan-08-1999", ["1999-01-08"; 3]),
            ("08-Jan-1999", ["1999-01-08"; 3]),
            ("99-Jan-08", ["22008", "22008", "1999-01-08"]),
            ("08-Jan-99", ["1999-01-08", "1999-01-08", "22008"]),
            ("Jan-08-99", ["1999-01-08", "1999-01-08", "22008"]),
            ("19990108", ["1999-01-08"; 3]),
            ("990108", ["1999-01-08"; 3]),
            ("1999.008", ["1999-01-08"; 3]),
            ("J2451187", ["1999-01-08"; 3]),
            ("17.12.1997", ["1997-12-17", "1997-12-17", "22008"]),
            ("19990108T040506", ["1999-01-08"; 3]),
            ("epoch", ["1970-01-01"; 3]),
            ("infinity", ["0A000"; 3]),
            ("January 1, 4713 BC", ["-4712-01-01"; 3]),
            ("January 1, 4715 BC", ["22008"; 3]),
        ] {
            let orders = [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd];
            assert_eq!(orders.map(|order| day(text, order)), expected, "{text}");
        }
    }

    #[test]
    fn times_have_many_forms() {
        for (text, hours, rest) in [
            ("04:05:06.789", 4, 5 * MINUTE + 6_789_000),
            ("04:05", 4, 5 * MINUTE),
            ("040506", 4, 5 * MINUTE + 6 * SECOND),
            ("04:05 AM", 4, 5 * MINUTE),
            ("04:05 PM", 16, 5 * MINUTE),
            ("12:05am", 0, 5 * MINUTE),
            ("16:05:06.1234567 EST", 16, 5 * MINUTE + 6_123_457),
        ] {
            assert_eq!(read_time(text).expect(text), hours * HOUR + rest, "{text}");
        }
        for text in [
            "25:00",
            "10:60",
            "noon",
            "1:2:3:4",
            "13:00 AM",
            "10:00 nowhere",
        ] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zones_move_instants_and_nothing_else() {
        let plain = read_timestamp("2008-06-01 09:59:59", DateOrder::Mdy).unwrap();
        for (text, hours) in [
            ("Jun 1,2008 09:59:59 EST", 5),
            ("2008-06-01T09:59:59Z", 0),
            ("20080601 09:59:59-08:00", 8),
            ("6/1/2008 9:59:59 US/Pacific", 7),
            ("Sun 1 Jun 09:59:59 2008 PST", 8),
            ("01 Jun 09:59:59 2008", 2),
            ("2008-06-01 09:59:59", 2),
        ] {
            assert_eq!(
                read_timestamp(text, DateOrder::Mdy).unwrap(),
                plain,
                "{text}"
            );
            let session = Zone::Fixed(-2 * HOUR);
            let instant = read_timestamptz(text, session, DateOrder::Mdy).unwrap();
            assert_eq!(instant, plain + hours * HOUR, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[0-9A-Za-z:./, +-]{0,30}|.*") {
            for order in [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd] {
                let _ = read_date(&text, order);
                let _ = read_timestamp(&text, order);
                let _ = read_timestamptz(&text, Zone::Fixed(0), order);
            }
            let _ = read_time(&text);
            let _ = read_timetz(&text, Zone::Fixed(0));
        }
    }
}
