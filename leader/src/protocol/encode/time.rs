//! Dates and times as PostgreSQL writes them in each `DateStyle`, straight from days and microseconds.

use crate::settings::style::{DateStyle, TextStyle};
use blueshift_sql::types::date_order::DateOrder;
use blueshift_sql::types::timetz::TimeTz;
use bytes::BufMut;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * DAY;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Turns days since 1970 into year, month, day of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn civil(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

/// Writes two digits.
pub(super) fn two(value: i64, out: &mut Vec<u8>) {
    out.put_u8(b'0' + (value / 10 % 10) as u8);
    out.put_u8(b'0' + (value % 10) as u8);
}

/// Writes a day in a style and tells whether ` BC` must follow.
fn day(days: i64, style: &TextStyle, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year <= 0;
    let year = if before_christ { 1 - year } else { year };
    let (month, day) = (i64::from(month), i64::from(day));
    let write_year = |out: &mut Vec<u8>| {
        if year < 10_000 {
            two(year / 100, out);
            two(year % 100, out);
        } else {
            out.put_slice(itoa::Buffer::new().format(year).as_bytes());
        }
    };
    let separator = match style.date {
        DateStyle::Iso | DateStyle::Postgres => b'-',
        DateStyle::Sql => b'/',
        DateStyle::German => b'.',
    };
    let day_first = style.order == DateOrder::Dmy || style.date == DateStyle::German;
    let (first, second) = if day_first {
        (day, month)
    } else {
        (month, day)
    };
    let year_first = style.date == DateStyle::Iso
        || (style.order == DateOrder::Ymd && style.date != DateStyle::German);
    if year_first {
        write_year(out);
        for part in [month, day] {
            out.put_u8(separator);
            two(part, out);
        }
    } else {
        for part in [first, second] {
            two(part, out);
            out.put_u8(separator);
        }
        write_year(out);
    }
    before_christ
}

/// Writes a DATE.
pub(super) fn date(days: i32, style: &TextStyle, out: &mut Vec<u8>) {
    if day(i64::from(days), style, out) {
        out.put_slice(b" BC");
    }
}

/// Writes a TIME: microseconds since midnight, the fraction without trailing zeros.
pub(super) fn time(microseconds: i64, out: &mut Vec<u8>) {
    clock(microseconds, out);
}

/// Writes a TIMETZ: what its clock shows and the clock's offset.
pub(super) fn time_tz(packed: i64, out: &mut Vec<u8>) {
    let value = TimeTz::unpacked(packed);
    clock(value.local, out);
    let mut zone = String::new();
    value.write_zone(&mut zone);
    out.put_slice(zone.as_bytes());
}

/// Writes hours, minutes, seconds and a fraction.
pub(super) fn clock(microseconds: i64, out: &mut Vec<u8>) {
    let hours = microseconds / HOUR;
    if hours < 100 {
        two(hours, out);
    } else {
        out.put_slice(itoa::Buffer::new().format(hours).as_bytes());
    }
    out.put_u8(b':');
    two(microseconds % HOUR / MINUTE, out);
    out.put_u8(b':');
    two(microseconds % MINUTE / SECOND, out);
    fraction(microseconds % SECOND, out);
}

/// Writes a fraction of a second without trailing zeros; none if it is 0.
pub(super) fn fraction(microseconds: i64, out: &mut Vec<u8>) {
    let mut fraction = microseconds;
    if fraction > 0 {
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        let zeros = digits
            .iter()
            .rev()
            .take_while(|digit| **digit == b'0')
            .count();
        out.put_u8(b'.');
        out.put_slice(digits.get(..digits.len() - zeros).unwrap_or_default());
    }
}

/// Writes a TIMESTAMP: microseconds since 1970.
pub(super) fn timestamp(microseconds: i64, style: &TextStyle, out: &mut Vec<u8>) {
    if moment(microseconds, style, |_| {}, out) {
        out.put_slice(b" BC");
    }
}

/// Writes day and time, and `zone` behind the time; tells whether ` BC` must follow.
fn moment(
    microseconds: i64,
    style: &TextStyle,
    zone: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) -> bool {
    let days = microseconds.div_euclid(DAY);
    let time = microseconds.rem_euclid(DAY);
    if style.date != DateStyle::Postgres {
        let before_christ = day(days, style, out);
        out.put_u8(b' ');
        clock(time, out);
        zone(out);
        return before_christ;
    }
    // `Tue Dec 31 23:59:59 2024 CET`: 1970-01-01 was a Thursday.
    let (year, month, day_of_month) = civil(days);
    let weekday = usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
    let name = |names: &'static [u8], index: usize| {
        names.get(index * 3..index * 3 + 3).unwrap_or_default()
    };
    out.put_slice(name(b"SunMonTueWedThuFriSat", weekday));
    out.put_u8(b' ');
    let month = name(
        b"JanFebMarAprMayJunJulAugSepOctNovDec",
        usize::from(month) - 1,
    );
    if style.order == DateOrder::Dmy {
        two(i64::from(day_of_month), out);
        out.put_u8(b' ');
        out.put_slice(month);
    } else {
        out.put_slice(month);
        out.put_u8(b' ');
        two(i64::from(day_of_month), out);
    }
    out.put_u8(b' ');
    clock(time, out);
    out.put_u8(b' ');
    let before_christ = year <= 0;
    let year = if before_christ { 1 - year } else { year };
    out.put_slice(format!("{year:04}").as_bytes());
    zone(out);
    before_christ
}

/// Writes a TIMESTAMPTZ in the style's zone: with the zone's offset behind it in ISO style, else its abbreviation.
pub(super) fn timestamp_tz(microseconds: i64, style: &TextStyle, out: &mut Vec<u8>) {
    let offset = style.zone.offset_at(microseconds);
    let local = microseconds.saturating_add(offset * SECOND);
    let zone = |out: &mut Vec<u8>| {
        let abbreviation = match style.date {
            DateStyle::Iso => None,
            _ => style.zone.abbreviation_at(microseconds),
        };
        match abbreviation {
            Some(name) => {
                out.put_u8(b' ');
                out.put_slice(name.as_bytes());
            }
            None => {
                if style.date != DateStyle::Iso {
                    out.put_u8(b' ');
                }
                shift(offset, out);
            }
        }
    };
    if moment(local, style, zone, out) {
        out.put_slice(b" BC");
    }
}

/// Writes an offset in seconds as `+01`, `-03:30`.
fn shift(offset: i64, out: &mut Vec<u8>) {
    out.put_u8(if offset < 0 { b'-' } else { b'+' });
    let offset = offset.abs();
    two(offset / 3_600, out);
    if offset % 3_600 > 0 {
        out.put_u8(b':');
        two(offset % 3_600 / 60, out);
        if offset % 60 > 0 {
            out.put_u8(b':');
            two(offset % 60, out);
        }
    }
}
