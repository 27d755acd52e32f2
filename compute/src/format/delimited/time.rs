//! Dates and times from their usual texts, without a format: `YYYY-MM-DD`, `YYYY-MM-DD HH:MI:SS[.ffffff][zone]`.

/// Microseconds of a second, minute, hour, day.
pub const SECOND_US: i64 = 1_000_000;
/// See [`SECOND_US`].
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// See [`SECOND_US`].
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// See [`SECOND_US`].
pub const DAY_US: i64 = 24 * HOUR_US;

/// Counts the days from 1970-01-01 to a day of the proleptic Gregorian calendar; `None` if there is no such day.
/// Year 0 is 1 BC. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn days(year: i32, month: u32, day: u32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (month as i32 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn digit(byte: u8) -> Option<u32> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u32::from(digit))
}

fn two(high: u8, low: u8) -> Option<u32> {
    Some(digit(high)? * 10 + digit(low)?)
}

/// Reads `YYYY-MM-DD`, nothing else.
#[inline]
pub fn iso_date(text: &[u8]) -> Option<i32> {
    super::number::date(text.try_into().ok()?)
}

/// Reads `HH:MM[:SS[.ffffff]]` as microseconds since midnight; `24:00:00` is allowed. Further digits round.
pub fn clock(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, &[][..]),
    };
    let (hour, minute, second) = match *whole {
        [h0, h1, b':', m0, m1, b':', s0, s1] => (two(h0, h1)?, two(m0, m1)?, two(s0, s1)?),
        [h1, b':', m0, m1, b':', s0, s1] => (digit(h1)?, two(m0, m1)?, two(s0, s1)?),
        [h0, h1, b':', m0, m1] if fraction.is_empty() => (two(h0, h1)?, two(m0, m1)?, 0),
        [h1, b':', m0, m1] if fraction.is_empty() => (digit(h1)?, two(m0, m1)?, 0),
        _ => return None,
    };
    let us = fraction_us(fraction)?;
    let seconds = i64::from(hour * 3_600 + minute * 60 + second);
    let midnight = hour == 24 && minute == 0 && second == 0 && us == 0;
    ((hour < 24 || midnight) && minute < 60 && second < 60).then_some(seconds * SECOND_US + us)
}

fn fraction_us(digits: &[u8]) -> Option<i64> {
    let mut us = 0;
    let mut unit = 100_000;
    for (place, &byte) in digits.iter().enumerate() {
        let digit = i64::from(digit(byte)?);
        if place == 6 && digit >= 5 {
            us += 1;
        }
        us += digit * unit;
        unit /= 10;
    }
    Some(us)
}

/// Reads a zone at the end of a time: `Z`, `UTC`, `GMT`, `+HH`, `+HHMM`, `+HH:MM`, or an abbreviation of the United
/// States; microseconds east of Greenwich.
pub fn zone_offset_us(text: &[u8]) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let hours = |hours: i64| Some(hours * HOUR_US);
    match upper.as_slice() {
        b"Z" | b"UTC" | b"GMT" | b"ZULU" => return Some(0),
        b"EST" => return hours(-5),
        b"EDT" => return hours(-4),
        b"CST" => return hours(-6),
        b"CDT" => return hours(-5),
        b"MST" => return hours(-7),
        b"MDT" => return hours(-6),
        b"PST" => return hours(-8),
        b"PDT" => return hours(-7),
        b"CET" => return hours(1),
        b"CEST" => return hours(2),
        _ => {}
    }
    let (sign, digits) = match *upper.as_slice() {
        [b'+', ref rest @ ..] => (1, rest),
        [b'-', ref rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hour, minute) = match *digits {
        [h0, h1] => (two(h0, h1)?, 0),
        [h1] => (digit(h1)?, 0),
        [h0, h1, m0, m1] | [h0, h1, b':', m0, m1] => (two(h0, h1)?, two(m0, m1)?),
        _ => return None,
    };
    (hour <= 15 && minute < 60).then_some(sign * i64::from(hour * 60 + minute) * MINUTE_US)
}

/// Reads `YYYY-MM-DD[( |T)HH:MM[:SS[.ffffff]][[ ]zone]]`; gives microseconds since 1970 as written, and the zone's
/// offset if there is one.
pub fn iso_timestamp(text: &[u8]) -> Option<(i64, Option<i64>)> {
    let date = i64::from(iso_date(text.get(..10)?)?) * DAY_US;
    let rest = text.get(10..)?;
    let Some((separator, rest)) = rest.split_first() else {
        return Some((date, None));
    };
    if !matches!(separator, b' ' | b'T') {
        return None;
    }
    let zone_at = rest
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.'))
        .unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    let us = date + clock(time)?;
    let zone = zone.trim_ascii();
    if zone.is_empty() {
        return Some((us, None));
    }
    Some((us, Some(zone_offset_us(zone)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(iso_date(b"1970-01-01"), Some(0));
        assert_eq!(iso_date(b"1969-12-31"), Some(-1));
        assert_eq!(iso_date(b"2000-02-29"), Some(11_016));
        assert_eq!(iso_date(b"1900-02-29"), None);
        assert_eq!(iso_date(b"2026-13-01"), None);
        assert_eq!(iso_date(b"2026-1-01"), None);
        let mut expected = days(1, 1, 1).expect("a day");
        for year in 1..=2_400 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(found) = days(year, month, day) {
                        assert_eq!(found, expected);
                        expected += 1;
                    }
                }
            }
        }
    }

    #[test]
    fn timestamps() {
        let check =
            |text: &str, expected| assert_eq!(iso_timestamp(text.as_bytes()), expected, "{text}");
        check("1970-01-01 00:00:01.5", Some((1_500_000, None)));
        check("1970-01-01", Some((0, None)));
        check("1970-01-01T01:00:00Z", Some((HOUR_US, Some(0))));
        check(
            "1970-01-01 01:00:00 +02:30",
            Some((HOUR_US, Some(150 * MINUTE_US))),
        );
        check("1970-01-01 01:00-08", Some((HOUR_US, Some(-8 * HOUR_US))));
        check("1970-01-01 00:00:00.1234567", Some((123_457, None)));
        check("1970-01-01 25:00:00", None);
        check("1970-01-01 00:60:00", None);
        check("1970-01-01x00:00:00", None);
    }
}
