//! Dates and times as PostgreSQL writes them in ISO style, straight from days and microseconds.

use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};
use chrono::{Offset, TimeZone};
use chrono_tz::Tz;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * DAY;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
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

fn two(value: i64, out: &mut BytesMut) {
    out.put_u8(b'0' + (value / 10 % 10) as u8);
    out.put_u8(b'0' + (value % 10) as u8);
}

/// Writes `YYYY-MM-DD` and tells whether ` BC` must follow.
fn day(days: i64, out: &mut BytesMut) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year <= 0;
    let year = if before_christ { 1 - year } else { year };
    if year < 10_000 {
        two(year / 100, out);
        two(year % 100, out);
    } else {
        out.put_slice(itoa::Buffer::new().format(year).as_bytes());
    }
    out.put_u8(b'-');
    two(i64::from(month), out);
    out.put_u8(b'-');
    two(i64::from(day), out);
    before_christ
}

/// Writes a DATE.
pub(super) fn date(days: i32, out: &mut BytesMut) {
    if day(i64::from(days), out) {
        out.put_slice(b" BC");
    }
}

/// Writes a TIME: microseconds since midnight, the fraction without trailing zeros.
pub(super) fn time(microseconds: i64, out: &mut BytesMut) {
    clock(microseconds, out);
}

fn clock(microseconds: i64, out: &mut BytesMut) {
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
    let mut fraction = microseconds % SECOND;
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
pub(super) fn timestamp(microseconds: i64, out: &mut BytesMut) {
    let before_christ = day(microseconds.div_euclid(DAY), out);
    out.put_u8(b' ');
    clock(microseconds.rem_euclid(DAY), out);
    if before_christ {
        out.put_slice(b" BC");
    }
}

/// Writes a TIMESTAMPTZ in a zone, with the zone's offset behind it.
pub(super) fn timestamp_tz(microseconds: i64, zone: Tz, out: &mut BytesMut) {
    let offset = match zone {
        Tz::UTC => 0,
        zone => match zone.timestamp_micros(microseconds).single() {
            Some(local) => i64::from(local.offset().fix().local_minus_utc()),
            None => 0,
        },
    };
    let local = microseconds.saturating_add(offset * SECOND);
    let before_christ = day(local.div_euclid(DAY), out);
    out.put_u8(b' ');
    clock(local.rem_euclid(DAY), out);
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
    if before_christ {
        out.put_slice(b" BC");
    }
}

/// Writes an interval in PostgreSQL's style: `1 year 2 mons 3 days 04:05:06`.
pub(super) fn interval(value: IntervalMonthDayNano, out: &mut BytesMut) {
    let mut first = true;
    let mut part = |count: i32, unit: &str, out: &mut BytesMut| {
        if count == 0 {
            return;
        }
        if !first {
            out.put_u8(b' ');
        }
        first = false;
        out.put_slice(itoa::Buffer::new().format(count).as_bytes());
        out.put_u8(b' ');
        out.put_slice(unit.as_bytes());
        if count != 1 {
            out.put_u8(b's');
        }
    };
    part(value.months / 12, "year", out);
    part(value.months % 12, "mon", out);
    part(value.days, "day", out);
    let microseconds = value.nanoseconds / 1_000;
    if microseconds != 0 || first {
        if !first {
            out.put_u8(b' ');
        }
        if microseconds < 0 {
            out.put_u8(b'-');
        } else if value.months < 0 || value.days < 0 {
            out.put_u8(b'+');
        }
        clock(microseconds.saturating_abs(), out);
    }
}
