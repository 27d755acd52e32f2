//! How values are written as text: what `DateStyle`, `TimeZone`, `IntervalStyle` and `extra_float_digits` say.

use blueshift_sql::types::date_order::DateOrder;
use chrono::{Offset, TimeZone};
use chrono_tz::Tz;

/// How values are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Where TIMESTAMPTZ is shown.
    pub zone: Zone,
    /// How dates are laid out.
    pub date: DateStyle,
    /// The order of their parts, where the layout leaves it open.
    pub order: DateOrder,
    /// How intervals are laid out.
    pub interval: IntervalStyle,
    /// Digits of floating point numbers beyond 6 and 15.
    pub extra_float_digits: i32,
    /// Whether column names are told in upper case.
    pub uppercase_names: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self {
            zone: Zone::Named(Tz::UTC),
            date: DateStyle::Iso,
            order: DateOrder::Mdy,
            interval: IntervalStyle::Postgres,
            extra_float_digits: 0,
            uppercase_names: false,
        }
    }
}

/// The layout of dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateStyle {
    /// `2024-12-31`.
    Iso,
    /// `12/31/2024`.
    Sql,
    /// `12-31-2024`, and `Tue Dec 31 23:59:59 2024`.
    Postgres,
    /// `31.12.2024`.
    German,
}

impl DateStyle {
    /// Gives the name SHOW prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso => "ISO",
            Self::Sql => "SQL",
            Self::Postgres => "Postgres",
            Self::German => "German",
        }
    }
}

/// The layout of intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`.
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`.
    Verbose,
    /// `+1-2 +3 +4:05:06`.
    Sql,
    /// `P1Y2M3DT4H5M6S`.
    Iso,
}

/// A time zone: of the IANA database, or a fixed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// By its name.
    Named(Tz),
    /// Seconds east of Greenwich.
    Offset(i32),
}

/// The greatest offset there is, in seconds.
const OFFSET_MAX: i32 = 15 * 3_600 + 59 * 60;

impl Zone {
    /// Reads a zone and gives it with the text SHOW prints: a name, an offset of ISO 8601 (`-8:00`, east is positive),
    /// an interval (`-8 hours`), or POSIX's form (`PST8`, west is positive).
    pub fn parse(text: &str) -> Option<(Zone, String)> {
        let text = text.trim();
        // As it is spelled it is found by a hash; every statement asks.
        let named = text.parse::<Tz>().ok().or_else(|| {
            let mut zones = chrono_tz::TZ_VARIANTS.iter().copied();
            zones.find(|zone| zone.name().eq_ignore_ascii_case(text))
        });
        if let Some(zone) = named {
            return Some((Zone::Named(zone), zone.name().to_string()));
        }
        let letters = text
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(text.len());
        if letters >= 3 {
            let west = clock(text.get(letters..)?)?;
            return Some((Zone::Offset(-west), text.to_string()));
        }
        let east = clock(text).or_else(|| interval(text))?;
        let (sign, size) = (if east < 0 { '-' } else { '+' }, east.abs());
        let shown = format!("{sign}{:02}:{:02}", size / 3_600, size % 3_600 / 60);
        Some((Zone::Offset(east), shown))
    }

    /// Gives the seconds east of Greenwich at an instant, in microseconds since 1970.
    pub fn offset_at(self, microseconds: i64) -> i64 {
        match self {
            Zone::Named(Tz::UTC) => 0,
            Zone::Named(zone) => match zone.timestamp_micros(microseconds).single() {
                Some(local) => i64::from(local.offset().fix().local_minus_utc()),
                None => 0,
            },
            Zone::Offset(seconds) => i64::from(seconds),
        }
    }

    /// Gives the abbreviation at an instant, such as `CEST`; an offset has none.
    pub fn abbreviation_at(self, microseconds: i64) -> Option<String> {
        match self {
            Zone::Named(zone) => {
                let local = zone.timestamp_micros(microseconds).single()?;
                let name = local.format("%Z").to_string();
                name.starts_with(|first: char| first.is_ascii_alphabetic())
                    .then_some(name)
            }
            Zone::Offset(_) => None,
        }
    }

    /// Gives the name the engine knows the zone by.
    pub fn engine_name(self) -> String {
        match self {
            Zone::Named(zone) => zone.name().to_string(),
            Zone::Offset(seconds) => {
                let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
                format!("{sign}{:02}:{:02}", size / 3_600, size % 3_600 / 60)
            }
        }
    }
}

/// Reads `[+-]hours[:minutes]`, also with a fraction of hours, as seconds.
fn clock(text: &str) -> Option<i32> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if is_number(hours) && is_number(minutes) {
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        (minutes < 60)
            .then(|| hours.checked_mul(3_600)?.checked_add(minutes * 60))
            .flatten()?
    } else {
        let hours: f64 = rest.parse().ok()?;
        let minutes = (hours * 60.0).round();
        (0.0..=1_000.0)
            .contains(&minutes)
            .then_some(minutes as i32 * 60)?
    };
    (seconds <= OFFSET_MAX).then_some(if negative { -seconds } else { seconds })
}

/// Reads `-8 hours`, `30 minutes` and `-8 hours -30 minutes` as seconds.
fn interval(text: &str) -> Option<i32> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut seconds = 0_i32;
    for pair in words.chunks(2) {
        let [count, unit] = pair else { return None };
        let unit = match unit.to_ascii_lowercase().trim_end_matches('s') {
            "hour" => 3_600,
            "minute" | "min" => 60,
            _ => return None,
        };
        seconds = seconds.checked_add(count.parse::<i32>().ok()?.checked_mul(unit)?)?;
    }
    (!words.is_empty() && seconds.abs() <= OFFSET_MAX).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, east: Option<i64>, shown: &str) {
        let parsed = Zone::parse(text);
        assert_eq!(
            parsed
                .as_ref()
                .map(|(zone, _)| zone.offset_at(1_700_000_000_000_000)),
            east,
            "{text}"
        );
        if let Some((_, printed)) = parsed {
            assert_eq!(printed, shown);
        }
    }

    #[test]
    fn zones_are_names_offsets_intervals_and_posix() {
        check("europe/berlin", Some(3_600), "Europe/Berlin");
        check("-8", Some(-28_800), "-08:00");
        check("-8:00", Some(-28_800), "-08:00");
        check("+7:30", Some(27_000), "+07:30");
        check("5.5", Some(19_800), "+05:30");
        check("-8 hours", Some(-28_800), "-08:00");
        check("30 minutes", Some(1_800), "+00:30");
        check("PST8", Some(-28_800), "PST8");
        check("EST5EDT", Some(-18_000), "EST5EDT");
        check("Mars/Base", None, "");
        check("PST", None, "");
        check("", None, "");
        check("99", None, "");
        check("-99999999999:00", None, "");
    }
}
