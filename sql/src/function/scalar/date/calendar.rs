//! The calendar by arithmetic: days from 1970 to year, month, day and back, without branches on the length of months.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

pub(in crate::function) const SECOND: i64 = 1_000_000;
pub(in crate::function) const MINUTE: i64 = 60 * SECOND;
pub(in crate::function) const HOUR: i64 = 60 * MINUTE;
pub(in crate::function) const DAY: i64 = 24 * HOUR;

/// A day of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::function) struct Civil {
    /// Year 0 is 1 BC.
    pub(in crate::function) year: i64,
    /// From 1 to 12.
    pub(in crate::function) month: i64,
    /// From 1 to 31.
    pub(in crate::function) day: i64,
}

/// The day that lies so many days after 1970-01-01. Years are counted from March, so that the leap day is the last.
pub(in crate::function) fn civil(days: i64) -> Civil {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted + 2) / 5 + 1,
    }
}

/// How many days a day lies after 1970-01-01. The day may lie outside its month.
pub(in crate::function) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// How many days a month has.
pub(in crate::function) fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(in crate::function) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The day of the week, from 0 for Sunday.
pub(in crate::function) fn weekday(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (days + 4).rem_euclid(7)
}

/// The day of the year, from 1.
pub(in crate::function) fn day_of_year(day: Civil, days_from_1970: i64) -> i64 {
    days_from_1970 - days(day.year, 1, 1) + 1
}

/// The ISO week of a day, with the year the week belongs to.
pub(in crate::function) fn iso_week(days_from_1970: i64) -> (i64, i64) {
    // A week belongs to the year its Thursday is in.
    let thursday = days_from_1970 - (weekday(days_from_1970) + 6) % 7 + 3;
    let year = civil(thursday).year;
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

/// Day and time of day of a timestamp.
pub(in crate::function) fn split(timestamp: i64) -> (i64, i64) {
    (timestamp.div_euclid(DAY), timestamp.rem_euclid(DAY))
}

/// A timestamp from its day and time of day.
pub(in crate::function) fn join(days: i64, time: i64) -> Result<i64> {
    days.checked_mul(DAY)
        .and_then(|start| start.checked_add(time))
        .ok_or_else(out_of_range)
}

/// A day of the DATE type.
pub(in crate::function) fn date(days: i64) -> Result<i32> {
    i32::try_from(days).map_err(|_| {
        Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "date out of range")
            .with_detail("Dates go from 4713 BC to AD 294276.")
    })
}

pub(in crate::function) fn out_of_range() -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
        .with_detail("Timestamps go from 4713 BC to AD 294276.")
}

/// Months are moved by whole months; a year and month far outside the range are refused before they overflow.
pub(in crate::function) fn moved(year: i64, month: i64, months: i64) -> Result<(i64, i64)> {
    let count = months
        .checked_add(year * 12 + month - 1)
        .filter(|count| count.abs() < 12 * 1_000_000)
        .ok_or_else(out_of_range)?;
    Ok((count.div_euclid(12), count.rem_euclid(12) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, Days, NaiveDate};

    #[test]
    fn the_calendar_is_chronos() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for number in (0..800_000).step_by(7).chain(0..2_000) {
            for sign in [1, -1] {
                let day = if sign > 0 {
                    epoch + Days::new(number)
                } else {
                    epoch - Days::new(number)
                };
                let number = i64::try_from(number).unwrap() * sign;
                let ours = civil(number);
                assert_eq!(ours.year, i64::from(day.year()));
                assert_eq!(ours.month, i64::from(day.month()));
                assert_eq!(ours.day, i64::from(day.day()));
                assert_eq!(days(ours.year, ours.month, ours.day), number);
                let week = day.iso_week();
                assert_eq!(iso_week(number), (week.year().into(), week.week().into()));
                assert_eq!(day_of_year(ours, number), i64::from(day.ordinal()));
                assert_eq!(
                    weekday(number),
                    i64::from(day.weekday().num_days_from_sunday())
                );
            }
        }
    }
}
