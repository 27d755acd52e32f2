//! Intervals in the four styles of `IntervalStyle`, as PostgreSQL writes them.

use super::time::{HOUR, MINUTE, SECOND, clock, fraction, two};
use crate::settings::style::IntervalStyle;
use arrow::datatypes::IntervalMonthDayNano;
use bytes::BufMut;

/// An interval in parts, each with its own sign.
struct Parts {
    years: i64,
    months: i64,
    days: i64,
    /// Of the time of day.
    microseconds: i64,
}

impl Parts {
    fn hours(&self) -> i64 {
        self.microseconds / HOUR
    }

    fn minutes(&self) -> i64 {
        self.microseconds % HOUR / MINUTE
    }

    /// Microseconds below the minute.
    fn rest(&self) -> i64 {
        self.microseconds % MINUTE
    }
}

/// Writes an interval.
pub(super) fn write(value: IntervalMonthDayNano, style: IntervalStyle, out: &mut Vec<u8>) {
    let parts = Parts {
        years: i64::from(value.months / 12),
        months: i64::from(value.months % 12),
        days: i64::from(value.days),
        microseconds: value.nanoseconds / 1_000,
    };
    match style {
        IntervalStyle::Postgres => postgres(&parts, out),
        IntervalStyle::Verbose => verbose(&parts, out),
        IntervalStyle::Sql => sql_standard(parts, out),
        IntervalStyle::Iso => iso_8601(&parts, out),
    }
}

fn number(value: i64, out: &mut Vec<u8>) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `1 year 2 mons 3 days 04:05:06`.
fn postgres(parts: &Parts, out: &mut Vec<u8>) {
    let mut first = true;
    let mut was_negative = false;
    for (count, unit) in [
        (parts.years, "year"),
        (parts.months, "mon"),
        (parts.days, "day"),
    ] {
        if count == 0 {
            continue;
        }
        if !first {
            out.put_u8(b' ');
        }
        if was_negative && count > 0 {
            out.put_u8(b'+');
        }
        number(count, out);
        out.put_u8(b' ');
        out.put_slice(unit.as_bytes());
        if count != 1 {
            out.put_u8(b's');
        }
        first = false;
        was_negative = count < 0;
    }
    if parts.microseconds != 0 || first {
        if !first {
            out.put_u8(b' ');
        }
        if parts.microseconds < 0 {
            out.put_u8(b'-');
        } else if was_negative {
            out.put_u8(b'+');
        }
        clock(parts.microseconds.saturating_abs(), out);
    }
}

/// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`; if the first part is negative, all signs turn and `ago` follows.
fn verbose(parts: &Parts, out: &mut Vec<u8>) {
    out.put_u8(b'@');
    let mut ago = None;
    for (count, unit) in [
        (parts.years, "year"),
        (parts.months, "mon"),
        (parts.days, "day"),
        (parts.hours(), "hour"),
        (parts.minutes(), "min"),
    ] {
        if count == 0 {
            continue;
        }
        let turned = *ago.get_or_insert(count < 0);
        let count = if turned { -count } else { count };
        out.put_u8(b' ');
        number(count, out);
        out.put_u8(b' ');
        out.put_slice(unit.as_bytes());
        if count != 1 {
            out.put_u8(b's');
        }
    }
    let rest = parts.rest();
    if rest != 0 {
        let turned = *ago.get_or_insert(rest < 0);
        out.put_u8(b' ');
        if (rest < 0) != turned {
            out.put_u8(b'-');
        }
        number(rest.abs() / SECOND, out);
        fraction(rest.abs() % SECOND, out);
        out.put_slice(if rest.abs() == SECOND {
            b" sec"
        } else {
            b" secs"
        });
    }
    match ago {
        None => out.put_slice(b" 0"),
        Some(true) => out.put_slice(b" ago"),
        Some(false) => {}
    }
}

/// `1-2`, or `3 4:05:06`; with months and times, or both signs, `+1-2 +3 +4:05:06`.
fn sql_standard(parts: Parts, out: &mut Vec<u8>) {
    let all = [parts.years, parts.months, parts.days, parts.microseconds];
    let (negative, positive) = (all.iter().any(|n| *n < 0), all.iter().any(|n| *n > 0));
    let has_months = parts.years != 0 || parts.months != 0;
    let has_rest = parts.days != 0 || parts.microseconds != 0;
    let clock = |microseconds: i64, out: &mut Vec<u8>| {
        number(microseconds / HOUR, out);
        out.put_u8(b':');
        two(microseconds % HOUR / MINUTE, out);
        out.put_u8(b':');
        two(microseconds % MINUTE / SECOND, out);
        fraction(microseconds % SECOND, out);
    };
    let sign = |negative: bool| if negative { b'-' } else { b'+' };
    if !negative && !positive {
        out.put_u8(b'0');
    } else if (negative && positive) || (has_months && has_rest) {
        out.put_u8(sign(parts.years < 0 || parts.months < 0));
        number(parts.years.abs(), out);
        out.put_u8(b'-');
        number(parts.months.abs(), out);
        out.put_u8(b' ');
        out.put_u8(sign(parts.days < 0));
        number(parts.days.abs(), out);
        out.put_u8(b' ');
        out.put_u8(sign(parts.microseconds < 0));
        clock(parts.microseconds.saturating_abs(), out);
    } else {
        if negative {
            out.put_u8(b'-');
        }
        if has_months {
            number(parts.years.abs(), out);
            out.put_u8(b'-');
            number(parts.months.abs(), out);
        } else {
            if parts.days != 0 {
                number(parts.days.abs(), out);
                out.put_u8(b' ');
            }
            clock(parts.microseconds.saturating_abs(), out);
        }
    }
}

/// `P1Y2M3DT4H5M6S`.
fn iso_8601(parts: &Parts, out: &mut Vec<u8>) {
    let part = |count: i64, unit: u8, out: &mut Vec<u8>| {
        if count != 0 {
            number(count, out);
            out.put_u8(unit);
        }
    };
    out.put_u8(b'P');
    part(parts.years, b'Y', out);
    part(parts.months, b'M', out);
    part(parts.days, b'D', out);
    let is_zero = parts.years == 0 && parts.months == 0 && parts.days == 0;
    if parts.microseconds == 0 {
        if is_zero {
            out.put_slice(b"T0S");
        }
        return;
    }
    out.put_u8(b'T');
    part(parts.hours(), b'H', out);
    part(parts.minutes(), b'M', out);
    let rest = parts.rest();
    if rest != 0 {
        if rest < 0 {
            out.put_u8(b'-');
        }
        number(rest.abs() / SECOND, out);
        fraction(rest.abs() % SECOND, out);
        out.put_u8(b'S');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(months: i32, days: i32, microseconds: i64, expected: [&str; 4]) {
        let value = IntervalMonthDayNano {
            months,
            days,
            nanoseconds: microseconds * 1_000,
        };
        let styles = [
            IntervalStyle::Postgres,
            IntervalStyle::Verbose,
            IntervalStyle::Sql,
            IntervalStyle::Iso,
        ];
        for (style, text) in styles.into_iter().zip(expected) {
            let mut out = Vec::new();
            write(value, style, &mut out);
            assert_eq!(std::str::from_utf8(&out), Ok(text), "{style:?}");
        }
    }

    #[test]
    fn four_styles() {
        check(0, 0, 0, ["00:00:00", "@ 0", "0", "PT0S"]);
        check(
            14,
            3,
            14_706_500_000,
            [
                "1 year 2 mons 3 days 04:05:06.5",
                "@ 1 year 2 mons 3 days 4 hours 5 mins 6.5 secs",
                "+1-2 +3 +4:05:06.5",
                "P1Y2M3DT4H5M6.5S",
            ],
        );
        check(
            -14,
            0,
            0,
            ["-1 years -2 mons", "@ 1 year 2 mons ago", "-1-2", "P-1Y-2M"],
        );
        check(
            0,
            -1,
            3_600_000_000,
            [
                "-1 days +01:00:00",
                "@ 1 day -1 hours ago",
                "+0-0 -1 +1:00:00",
                "P-1DT1H",
            ],
        );
        check(0, 2, 0, ["2 days", "@ 2 days", "2 0:00:00", "P2D"]);
        check(
            0,
            0,
            -1_000_000,
            ["-00:00:01", "@ 1 sec ago", "-0:00:01", "PT-1S"],
        );
    }
}
