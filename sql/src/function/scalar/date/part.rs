//! Parts of dates and times: their names, and the value of each.

use super::calendar::{
    Civil, DAY, HOUR, MINUTE, SECOND, civil, day_of_year, iso_week, split, weekday,
};
use crate::error::{Error, Result};
use crate::function::call::{Call, Column};
use crate::sqlstate::SqlState;
use arrow::array::StringViewArray;

/// A part of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::function) enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Epoch,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Part {
    /// Reads a name or an abbreviation, in any case.
    pub(in crate::function) fn parse(name: &str) -> Result<Self> {
        // The parser leaves the quotes of EXTRACT('year' FROM x) on.
        let lower = name.trim_matches(['\'', ' ']).to_ascii_lowercase();
        Ok(match lower.as_str() {
            "millennium" | "millennia" | "millenniums" | "mil" | "mils" => Self::Millennium,
            "century" | "centuries" | "c" | "cent" | "cents" => Self::Century,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "year" | "years" | "y" | "yr" | "yrs" | "yyyy" => Self::Year,
            "isoyear" => Self::IsoYear,
            "quarter" | "quarters" | "qtr" | "qtrs" => Self::Quarter,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "week" | "weeks" | "w" => Self::Week,
            "day" | "days" | "d" | "dayofmonth" => Self::Day,
            "dayofweek" | "dow" | "dw" | "weekday" => Self::DayOfWeek,
            "dayofyear" | "doy" | "dy" | "yearday" => Self::DayOfYear,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds"
            | "millisec" | "millisecs" | "millisecon" => Self::Millisecond,
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds"
            | "microsec" | "microsecs" => Self::Microsecond,
            "epoch" => Self::Epoch,
            "timezone" => Self::Timezone,
            "timezone_hour" => Self::TimezoneHour,
            "timezone_minute" => Self::TimezoneMinute,
            _ => {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("timestamp units \"{name}\" not recognized"),
                )
                .with_hint("Use year, quarter, month, week, day, hour, minute or second"));
            }
        })
    }

    /// So many months; `None` if the part is not made of months.
    pub(in crate::function) fn months(self) -> Option<i64> {
        Some(match self {
            Self::Millennium => 12_000,
            Self::Century => 1_200,
            Self::Decade => 120,
            Self::Year => 12,
            Self::Quarter => 3,
            Self::Month => 1,
            _ => return None,
        })
    }

    /// So many microseconds; `None` if the part has no fixed length.
    pub(in crate::function) fn microseconds(self) -> Option<i64> {
        Some(match self {
            Self::Week => 7 * DAY,
            Self::Day | Self::DayOfWeek | Self::DayOfYear => DAY,
            Self::Hour => HOUR,
            Self::Minute => MINUTE,
            Self::Second | Self::Epoch => SECOND,
            Self::Millisecond => 1_000,
            Self::Microsecond => 1,
            _ => return None,
        })
    }

    /// Whether a time of day alone has the part.
    pub(in crate::function) fn is_of_time(self) -> bool {
        matches!(
            self,
            Self::Hour
                | Self::Minute
                | Self::Second
                | Self::Millisecond
                | Self::Microsecond
                | Self::Epoch
        )
    }

    /// The whole value of the part in a timestamp, without what is larger or smaller.
    pub(in crate::function) fn of(self, timestamp: i64) -> i64 {
        let (days, time) = split(timestamp);
        match self {
            Self::Hour => time / HOUR,
            Self::Minute => time / MINUTE % 60,
            Self::Second => time / SECOND % 60,
            Self::Millisecond => time / 1_000 % 1_000,
            Self::Microsecond => time % SECOND,
            Self::Epoch => timestamp.div_euclid(SECOND),
            Self::DayOfWeek => weekday(days),
            Self::Week => iso_week(days).1,
            Self::IsoYear => iso_week(days).0,
            Self::Timezone | Self::TimezoneHour | Self::TimezoneMinute => 0,
            _ => self.of_day(civil(days), days),
        }
    }

    fn of_day(self, day: Civil, days: i64) -> i64 {
        let year = day.year;
        match self {
            // Both count from year 1, and backwards before it.
            Self::Millennium => eras(year, 1_000),
            Self::Century => eras(year, 100),
            // The first decade is that of the years 1 to 9.
            Self::Decade => year.div_euclid(10) + 1,
            // There is no year 0: it is 1 BC.
            Self::Year if year <= 0 => year - 1,
            Self::Year => year,
            Self::Quarter => (day.month - 1) / 3 + 1,
            Self::Month => day.month,
            Self::Day => day.day,
            Self::DayOfYear => day_of_year(day, days),
            _ => 0,
        }
    }
}

fn eras(year: i64, length: i64) -> i64 {
    if year > 0 {
        (year + length - 1) / length
    } else {
        -((length - year) / length)
    }
}

/// The first argument as parts: read once if it is the same for all rows.
pub(in crate::function) struct Parts<'a> {
    names: Column<'a, StringViewArray>,
    constant: Option<Part>,
}

impl<'a> Parts<'a> {
    pub(in crate::function) fn new(call: &Call<'a>) -> Result<Self> {
        let names = call.text(0)?;
        let constant = names.constant().map(Part::parse).transpose()?;
        Ok(Self { names, constant })
    }

    pub(in crate::function) fn at(&self, row: usize) -> Result<Option<Part>> {
        match self.constant {
            Some(part) => Ok(Some(part)),
            None => self.names.at(row).map(Part::parse).transpose(),
        }
    }
}

/// The error of a function that has no use for a part.
pub(in crate::function) fn not_supported(part: Part, ty: &str) -> Error {
    let name = format!("{part:?}").to_ascii_lowercase();
    Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("{ty} units \"{name}\" not supported"),
    )
    .with_hint("Use a part that the value has, as year or month of a date, hour of a time")
}
