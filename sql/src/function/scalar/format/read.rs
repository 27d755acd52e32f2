//! Reads a moment from a text by a format.

use super::pattern::{DAYS, Field, MONTHS, Piece, ROMAN};
use crate::error::{Error, Result};
use crate::function::scalar::date::calendar::{
    DAY, HOUR, MINUTE, SECOND, date, days, join, month_days, weekday,
};
use crate::sqlstate::SqlState;

/// Days from the first Julian day to 1970-01-01.
const JULIAN: i64 = 2_440_588;

/// What a text said.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    year: Option<i64>,
    century: Option<i64>,
    before_christ: bool,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week_of_year: Option<i64>,
    week_of_month: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    iso_day_of_year: Option<i64>,
    julian: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    microsecond: i64,
    second_of_day: Option<i64>,
    afternoon: Option<bool>,
    twelve: bool,
}

/// Reads a text; gives days from 1970 and microseconds of the day. Values out of range carry over, unless `strict`.
pub(super) fn read(pieces: &[Piece], text: &str, strict: bool) -> Result<(i64, i64)> {
    let mut said = Said::default();
    let mut rest = text;
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Quoted(quoted) => skip(&mut rest, quoted.chars().count()),
            Piece::Other(ch) if ch.is_whitespace() => {
                if rest.starts_with(char::is_whitespace) {
                    skip(&mut rest, 1);
                }
            }
            Piece::Other(ch) => {
                rest = rest.trim_start();
                // A separator of the format stands for any in the text, or for none.
                let letter = rest.starts_with(char::is_alphanumeric);
                if ch.is_alphanumeric() || !letter {
                    skip(&mut rest, 1);
                }
            }
            Piece::Field {
                field, fill, word, ..
            } => {
                rest = rest.trim_start();
                if rest.is_empty() {
                    break;
                }
                let next_is_digit = matches!(
                    pieces.get(index + 1),
                    Some(Piece::Field { field, .. }) if field.digits().is_some()
                );
                let free = *fill || !next_is_digit;
                read_field(*field, word, free, &mut rest, &mut said)?;
                ordinal(piece, &mut rest);
            }
        }
    }
    said.moment(strict)
}

fn skip(rest: &mut &str, characters: usize) {
    let mut chars = rest.chars();
    for _ in 0..characters {
        chars.next();
    }
    *rest = chars.as_str();
}

fn ordinal(piece: &Piece, rest: &mut &str) {
    if let Piece::Field {
        ordinal: Some(_), ..
    } = piece
    {
        skip(rest, 2);
    }
}

fn invalid(value: &str, word: &str, why: &str) -> Error {
    let value: String = value.chars().take(word.len().max(1)).collect();
    Error::new(
        SqlState::INVALID_DATETIME_FORMAT,
        format!("invalid value \"{value}\" for \"{word}\""),
    )
    .with_detail(why)
}

/// Takes digits: all there are if `free`, else as many as the field has.
fn number(rest: &mut &str, word: &str, most: usize, free: bool) -> Result<(i64, usize)> {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    let count = if free { count } else { count.min(most) };
    let digits = rest.get(..count).unwrap_or_default();
    if count == 0 {
        return Err(invalid(rest, word, "The value must be a whole number."));
    }
    let value = digits
        .parse()
        .ok()
        .filter(|value| *value <= 1_000_000_000_i64);
    let Some(value) = value else {
        return Err(invalid(rest, word, "The number is out of range."));
    };
    *rest = rest.get(count..).unwrap_or_default();
    Ok((value, count))
}

/// Takes a name and gives its place in the list, from 0.
fn name(rest: &mut &str, word: &str, names: &[&str], letters: Option<usize>) -> Result<i64> {
    let starts = |name: &str| {
        rest.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    let mut best: Option<(i64, usize)> = None;
    for (index, name) in (0..).zip(names) {
        let wanted = letters.map_or(*name, |count| name.get(..count).unwrap_or(name));
        let longer = best.is_none_or(|(_, length)| wanted.len() > length);
        if longer && starts(wanted) {
            best = Some((index, wanted.len()));
        }
    }
    let Some((index, length)) = best else {
        let why = "The value is none of the allowed names.";
        return Err(invalid(rest, word, why));
    };
    *rest = rest.get(length..).unwrap_or_default();
    Ok(index)
}

fn read_field(
    field: Field,
    word: &str,
    free: bool,
    rest: &mut &str,
    said: &mut Said,
) -> Result<()> {
    let digits = field.digits().unwrap_or(0);
    let whole = |rest: &mut &str| number(rest, word, digits, free).map(|(value, _)| value);
    match field {
        Field::Era { .. } => {
            let names = ["A.D.", "B.C.", "AD", "BC"];
            said.before_christ = name(rest, word, &names, None)? % 2 == 1;
        }
        Field::Half { .. } => {
            let names = ["A.M.", "P.M.", "AM", "PM"];
            said.afternoon = Some(name(rest, word, &names, None)? % 2 == 1);
            said.twelve = true;
        }
        Field::Century => said.century = Some(whole(rest)?),
        Field::DayName => {
            name(rest, word, &DAYS, None)?;
        }
        Field::DayShort => {
            name(rest, word, &DAYS, Some(3))?;
        }
        Field::DayOfYear => said.day_of_year = Some(whole(rest)?),
        Field::IsoDayOfYear => said.iso_day_of_year = Some(whole(rest)?),
        Field::Day => said.day = Some(whole(rest)?),
        // The day of the week follows from the date.
        Field::DayOfWeek | Field::Quarter => {
            whole(rest)?;
        }
        Field::IsoDayOfWeek => said.iso_day = Some(whole(rest)?),
        Field::Hour24 => said.hour = whole(rest)?,
        Field::Hour12 => {
            said.hour = whole(rest)?;
            said.twelve |= said.afternoon.is_some();
        }
        Field::Minute => said.minute = whole(rest)?,
        Field::Second => said.second = whole(rest)?,
        Field::SecondOfDay => said.second_of_day = Some(whole(rest)?),
        Field::Millisecond => {
            let (value, count) = number(rest, word, 3, false)?;
            said.microsecond += value * 1_000 * 10_i64.pow(u32::try_from(3 - count).unwrap_or(0));
        }
        Field::Microsecond => {
            let (value, count) = number(rest, word, 6, false)?;
            said.microsecond += value * 10_i64.pow(u32::try_from(6 - count).unwrap_or(0));
        }
        Field::IsoWeek => said.iso_week = Some(whole(rest)?),
        Field::IsoYear { digits } => said.iso_year = Some(full_year(whole(rest)?, digits)),
        Field::Julian => said.julian = Some(whole(rest)?),
        Field::Month => said.month = Some(whole(rest)?),
        Field::MonthName => said.month = Some(name(rest, word, &MONTHS, None)? + 1),
        Field::MonthShort => said.month = Some(name(rest, word, &MONTHS, Some(3))? + 1),
        Field::MonthRoman => said.month = Some(name(rest, word, &ROMAN, None)? + 1),
        Field::WeekOfYear => said.week_of_year = Some(whole(rest)?),
        Field::WeekOfMonth => said.week_of_month = Some(whole(rest)?),
        Field::Year { digits } => said.year = Some(full_year(whole(rest)?, digits)),
        Field::YearComma => {
            let thousands = number(rest, word, 3, true)?.0;
            skip(rest, 1);
            said.year = Some(thousands * 1_000 + number(rest, word, 3, false)?.0);
        }
        Field::ZoneName | Field::ZoneOffset => {
            return Err(Error::unsupported(
                format!("\"{word}\" in a format that reads a text"),
                "Cut the time zone off and use CONVERT_TIMEZONE",
            ));
        }
    }
    Ok(())
}

/// Years with fewer than four digits are those nearest to 2020.
fn full_year(year: i64, digits: usize) -> i64 {
    match year {
        _ if digits >= 4 => year,
        0..70 => year + 2_000,
        70..100 => year + 1_900,
        100..520 => year + 2_000,
        520..1_000 => year + 1_000,
        _ => year,
    }
}

impl Said {
    fn moment(self, strict: bool) -> Result<(i64, i64)> {
        let time = self.time(strict)?;
        let day = self.date(strict)?;
        let at = join(day, 0)?
            .checked_add(time)
            .ok_or_else(crate::function::scalar::date::calendar::out_of_range)?;
        Ok((at.div_euclid(DAY), at.rem_euclid(DAY)))
    }

    fn time(&self, strict: bool) -> Result<i64> {
        if let Some(second) = self.second_of_day {
            return Ok(second * SECOND + self.microsecond);
        }
        let mut hour = self.hour;
        if let Some(afternoon) = self.afternoon.filter(|_| self.twelve) {
            if !(1..=12).contains(&hour) {
                return Err(Error::new(
                    SqlState::INVALID_DATETIME_FORMAT,
                    format!("hour \"{hour}\" is invalid for the 12-hour clock"),
                )
                .with_hint("Use HH24, or an hour from 1 to 12"));
            }
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        if strict && (hour > 23 || self.minute > 59 || self.second > 59) {
            let fraction = self.microsecond / 100_000;
            return Err(Error::new(
                SqlState::DATETIME_FIELD_OVERFLOW,
                format!(
                    "date/time field time value out of range: {hour}:{}:{}.{fraction}",
                    self.minute, self.second
                ),
            ));
        }
        Ok(hour * HOUR + self.minute * MINUTE + self.second * SECOND + self.microsecond)
    }

    fn date(&self, strict: bool) -> Result<i64> {
        if let Some(julian) = self.julian {
            return Ok(julian - JULIAN);
        }
        if let Some(year) = self.iso_year {
            // The first ISO week holds January 4.
            let fourth = days(year, 1, 4);
            let monday = fourth - (weekday(fourth) + 6) % 7;
            if let Some(day) = self.iso_day_of_year {
                return Ok(monday + day - 1);
            }
            return Ok(
                monday + (self.iso_week.unwrap_or(1) - 1) * 7 + self.iso_day.unwrap_or(1) - 1,
            );
        }
        let mut year = match (self.year, self.century) {
            (Some(year), _) => year,
            (None, Some(century)) => (century - 1) * 100 + 1,
            (None, None) => 1,
        };
        if self.before_christ {
            year = 1 - year;
        }
        if let Some(day) = self.day_of_year.filter(|_| self.month.is_none()) {
            let most = 337 + month_days(year, 2);
            if strict && !(1..=most).contains(&day) {
                return Err(out_of_range(year, 1, day));
            }
            return Ok(days(year, 1, 1) + day - 1);
        }
        if let Some(week) = self.week_of_year {
            return Ok(days(year, 1, 1) + (week - 1) * 7);
        }
        let month = self.month.unwrap_or(1);
        let day = match (self.day, self.week_of_month) {
            (Some(day), _) => day,
            (None, Some(week)) => (week - 1) * 7 + 1,
            (None, None) => 1,
        };
        if strict && (!(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day)) {
            return Err(out_of_range(year, month, day));
        }
        let (year, month) = (
            year + (month - 1).div_euclid(12),
            (month - 1).rem_euclid(12) + 1,
        );
        let at = days(year, month, day);
        date(at)?;
        Ok(at)
    }
}

fn out_of_range(year: i64, month: i64, day: i64) -> Error {
    Error::new(
        SqlState::DATETIME_FIELD_OVERFLOW,
        format!("date/time field date value out of range: {year}-{month}-{day}"),
    )
}
