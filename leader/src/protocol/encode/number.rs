//! Numbers as PostgreSQL writes them.

use bytes::BufMut;

/// Digits of a REAL that any text keeps.
const FLOAT4_DIGITS: i32 = 6;
/// Digits of a DOUBLE PRECISION that any text keeps.
const FLOAT8_DIGITS: i32 = 15;

/// Writes a REAL in 6 digits, fewer if `extra` is negative; if it is positive, in the fewest that read back to it.
pub(super) fn float4(value: f32, extra: i32, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return out.put_slice(special(value.is_nan(), value.is_sign_negative()));
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    digits(shortest, f64::from(value), FLOAT4_DIGITS, extra, out);
}

/// Writes a DOUBLE PRECISION in 15 digits, fewer if `extra` is negative; if it is positive, in the fewest that read
/// back to it.
pub(super) fn float8(value: f64, extra: i32, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return out.put_slice(special(value.is_nan(), value.is_sign_negative()));
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    digits(shortest, value, FLOAT8_DIGITS, extra, out);
}

/// Writes the fewest digits that read back, or as many as are asked for if those are fewer still.
fn digits(shortest: &str, value: f64, standard: i32, extra: i32, out: &mut Vec<u8>) {
    let wanted = (standard + extra).max(1);
    if extra > 0 || count(shortest) <= wanted {
        float(shortest, wanted.min(standard), out);
    } else {
        let after_point = usize::try_from(wanted - 1).unwrap_or(0);
        float(&format!("{value:.after_point$e}"), wanted, out);
    }
}

/// Counts the digits of a number as `ryu` writes it, the zeros around them left out.
fn count(shortest: &str) -> i32 {
    let mantissa = shortest.split_once('e').map_or(shortest, |(left, _)| left);
    let digits = || mantissa.bytes().filter(u8::is_ascii_digit);
    let leading = digits().take_while(|digit| *digit == b'0').count();
    let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
    let all = digits().count();
    i32::try_from(all.saturating_sub(leading + trailing)).unwrap_or(i32::MAX)
}

fn special(nan: bool, negative: bool) -> &'static [u8] {
    match (nan, negative) {
        (true, _) => b"NaN",
        (false, true) => b"-Infinity",
        (false, false) => b"Infinity",
    }
}

/// Lays the digits of `ryu` out anew: no `.0`, and an exponent of two digits only below -4 and from `digits_max` on.
fn float(shortest: &str, digits_max: i32, out: &mut Vec<u8>) {
    let (sign, magnitude) = match shortest.strip_prefix('-') {
        Some(magnitude) => ("-", magnitude),
        None => ("", shortest),
    };
    out.put_slice(sign.as_bytes());
    let (mantissa, exponent) = magnitude.split_once('e').unwrap_or((magnitude, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    if exponent == 0 && whole.len() as i32 <= digits_max && whole != "0" {
        out.put_slice(whole.as_bytes());
        if !fraction.is_empty() {
            out.put_u8(b'.');
            out.put_slice(fraction.as_bytes());
        }
        return;
    }
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let leading = all.iter().take_while(|digit| **digit == b'0').count();
    let trailing = all.iter().rev().take_while(|digit| **digit == b'0').count();
    let Some(digits) = all
        .get(leading..all.len().saturating_sub(trailing))
        .filter(|rest| !rest.is_empty())
    else {
        out.put_u8(b'0');
        return;
    };
    // The power of ten of the first digit.
    let power = exponent + whole.len() as i32 - 1 - leading as i32;
    let (first, rest) = digits.split_at(1);
    if power < -4 || power >= digits_max {
        out.put_slice(first);
        if !rest.is_empty() {
            out.put_u8(b'.');
            out.put_slice(rest);
        }
        out.put_slice(
            format!("e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs()).as_bytes(),
        );
    } else if power < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', (-power - 1) as usize);
        out.put_slice(digits);
    } else {
        let whole = power as usize + 1;
        let (before, after) = digits.split_at(whole.min(digits.len()));
        out.put_slice(before);
        out.put_bytes(b'0', whole.saturating_sub(digits.len()));
        if !after.is_empty() {
            out.put_u8(b'.');
            out.put_slice(after);
        }
    }
}

/// Writes `value / 10^scale` with exactly `scale` digits after the point.
pub(super) fn decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let mut small = itoa::Buffer::new();
    let magnitude = value.unsigned_abs();
    let digits = match u64::try_from(magnitude) {
        Ok(magnitude) => small.format(magnitude),
        Err(_) => buffer.format(magnitude),
    };
    if value < 0 {
        out.put_u8(b'-');
    }
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        out.put_slice(digits.as_bytes());
        if magnitude != 0 {
            out.put_bytes(b'0', places);
        }
    } else if digits.len() > places {
        let (whole, fraction) = digits.as_bytes().split_at(digits.len() - places);
        out.put_slice(whole);
        out.put_u8(b'.');
        out.put_slice(fraction);
    } else {
        out.put_slice(b"0.");
        out.put_bytes(b'0', places - digits.len());
        out.put_slice(digits.as_bytes());
    }
}

/// The base of PostgreSQL's binary NUMERIC.
const BASE: u128 = 10_000;
/// Digits of ten in one digit of `BASE`.
const BASE_DIGITS: usize = 4;

/// Writes a NUMERIC in PostgreSQL's binary form: count, weight, sign, scale, digits in base 10 000.
pub(super) fn decimal_binary(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut magnitude = value.unsigned_abs();
    let places = usize::from(scale.max(0).unsigned_abs());
    // Groups before and after the point must not share a digit: the first group from the right holds what is over.
    let over = places % BASE_DIGITS;
    let mut digits = [0_u16; 16];
    let mut count = 0;
    let mut push = |digit: u128| {
        if let Some(place) = digits.get_mut(count) {
            *place = u16::try_from(digit).unwrap_or(0);
            count += 1;
        }
    };
    if over > 0 {
        let unit = 10_u128.pow(over as u32);
        push(magnitude % unit * 10_u128.pow((BASE_DIGITS - over) as u32));
        magnitude /= unit;
    }
    while magnitude > 0 {
        push(magnitude % BASE);
        magnitude /= BASE;
    }
    // A negative scale is zeros before the point; the planner makes none, so they are folded into the weight.
    let groups_after = places.div_ceil(BASE_DIGITS);
    let mut used = digits.get(..count).unwrap_or_default();
    let mut lowest = -(groups_after as i32);
    while let [0, rest @ ..] = used {
        used = rest;
        lowest += 1;
    }
    while let [rest @ .., 0] = used {
        used = rest;
    }
    let weight = if used.is_empty() {
        0
    } else {
        lowest + used.len() as i32 - 1
    };
    out.put_u16(used.len() as u16);
    out.put_i16(weight as i16);
    out.put_u16(if value < 0 { 0x4000 } else { 0 });
    out.put_u16(places as u16);
    used.iter().rev().for_each(|digit| out.put_u16(*digit));
}
