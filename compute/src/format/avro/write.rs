//! Writes the values of an Avro row as text.

use super::Style;
use super::read::{Cursor, deeper};
use super::schema::{Kind, Logical, Schema, Type, TypeId};
use crate::format::delimited::time::DAY_US;
use arrow::datatypes::i256;
use chrono::{Datelike, NaiveDate};
use std::io::Write;

/// Bytes that one row's values may become: far more than a row may have.
const VALUE_BYTES_MAX: usize = 128 << 20;
/// Bytes of a whole number at most, without those that only repeat its sign.
const DECIMAL_BYTES_MAX: usize = 32;
/// Days from the first of the calendar to 1970-01-01.
const DAYS_BEFORE_1970: i32 = 719_163;

/// Appends the value at the cursor, which is no union; tells whether there is one, and not null.
pub(super) fn value(
    cursor: &mut Cursor<'_>,
    schema: &Schema,
    ty: TypeId,
    style: Style,
    out: &mut Vec<u8>,
) -> Result<bool, String> {
    let found = schema.get(ty).ok_or("its schema has a type that is none")?;
    match &found.kind {
        Kind::Null => return Ok(false),
        Kind::Array(_) | Kind::Map(_) | Kind::Record(_) | Kind::Union(_) => {
            json(cursor, schema, ty, 0, out)?;
        }
        _ => scalar(cursor, found, style, out)?,
    }
    Ok(true)
}

/// Appends a value as JSON.
fn json(
    cursor: &mut Cursor<'_>,
    schema: &Schema,
    ty: TypeId,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let depth = deeper(depth)?;
    if out.len() > VALUE_BYTES_MAX {
        return Err("a row becomes larger than 128 MB".to_owned());
    }
    let ty = cursor.branch(schema, ty)?;
    let found = schema.get(ty).ok_or("its schema has a type that is none")?;
    match &found.kind {
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::Record(parts) => {
            out.push(b'{');
            for (place, (name, part)) in parts.iter().enumerate() {
                comma(place == 0, out);
                string(name.as_bytes(), out);
                out.push(b':');
                json(cursor, schema, *part, depth, out)?;
            }
            out.push(b'}');
        }
        Kind::Array(items) => {
            let is_empty = schema.get(*items).is_some_and(|ty| ty.is_empty);
            let mut is_first = true;
            out.push(b'[');
            while let Some(count) = cursor.count(is_empty)? {
                for _ in 0..count {
                    comma(std::mem::take(&mut is_first), out);
                    json(cursor, schema, *items, depth, out)?;
                }
            }
            out.push(b']');
        }
        Kind::Map(values) => {
            let mut is_first = true;
            out.push(b'{');
            while let Some(count) = cursor.count(false)? {
                for _ in 0..count {
                    comma(std::mem::take(&mut is_first), out);
                    string(cursor.bytes()?, out);
                    out.push(b':');
                    json(cursor, schema, *values, depth, out)?;
                }
            }
            out.push(b'}');
        }
        _ => scalar(cursor, found, Style::Json, out)?,
    }
    Ok(())
}

fn comma(is_first: bool, out: &mut Vec<u8>) {
    if !is_first {
        out.push(b',');
    }
}

/// Appends a string of JSON. Bytes that are no UTF-8 stay, and are found where text is checked.
fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => put(out, format_args!("\\u{byte:04x}")),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// Writes to memory, which does not fail.
fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Appends a value without parts.
fn scalar(
    cursor: &mut Cursor<'_>,
    ty: &Type,
    style: Style,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match &ty.kind {
        Kind::Boolean => {
            let word = if cursor.boolean()? { "true" } else { "false" };
            out.extend_from_slice(word.as_bytes());
        }
        Kind::Int => number(i64::from(cursor.int()?), ty.logical, style, out),
        Kind::Long => number(cursor.long()?, ty.logical, style, out),
        Kind::Float => {
            let value = f32::from_le_bytes(cursor.array()?);
            match value.is_finite() {
                true => put(out, format_args!("{value:?}")),
                false => not_finite(f64::from(value), style, out),
            }
        }
        Kind::Double => {
            let value = f64::from_le_bytes(cursor.array()?);
            match value.is_finite() {
                true => put(out, format_args!("{value:?}")),
                false => not_finite(value, style, out),
            }
        }
        Kind::String => text(cursor.bytes()?, style, out),
        Kind::Enum(symbols) => {
            let place = cursor.place(symbols.len())?;
            let symbol = symbols.get(place).map_or("", String::as_str);
            text(symbol.as_bytes(), style, out);
        }
        Kind::Bytes => bytes(cursor.bytes()?, ty.logical, style, out)?,
        Kind::Fixed(size) => bytes(cursor.take(*size)?, ty.logical, style, out)?,
        Kind::Null | Kind::Array(_) | Kind::Map(_) | Kind::Record(_) | Kind::Union(_) => {}
    }
    Ok(())
}

/// JSON has no word for these.
fn not_finite(value: f64, style: Style, out: &mut Vec<u8>) {
    let word = match style {
        Style::Json => "null",
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    out.extend_from_slice(word.as_bytes());
}

fn text(text: &[u8], style: Style, out: &mut Vec<u8>) {
    match style {
        Style::Json => string(text, out),
        _ => out.extend_from_slice(text),
    }
}

/// Appends a number, or the date or time that it means.
fn number(value: i64, logical: Option<Logical>, style: Style, out: &mut Vec<u8>) {
    let mut shown = Vec::new();
    let is_shown = match (logical, style) {
        (None, _) | (_, Style::Number) => false,
        (Some(Logical::Timestamp(parts)), Style::Epoch(unit)) => {
            epoch(value, parts, unit, &mut shown)
        }
        (Some(Logical::Date), _) => date(value, &mut shown),
        (Some(Logical::Time(parts)), _) => {
            microseconds(value, parts).is_some_and(|us| clock(us, &mut shown))
        }
        (Some(Logical::Timestamp(parts)), _) => {
            microseconds(value, parts).is_some_and(|us| timestamp(us, &mut shown))
        }
        _ => false,
    };
    match is_shown {
        true => text(&shown, style, out),
        false => put(out, format_args!("{value}")),
    }
}

fn microseconds(value: i64, parts: i64) -> Option<i64> {
    match parts {
        1_000 => value.checked_mul(1_000),
        1_000_000 => Some(value),
        _ => Some(value.div_euclid(1_000)),
    }
}

/// Writes days since 1970 as a date; `false` if the calendar ends before it.
fn date(days: i64, out: &mut Vec<u8>) -> bool {
    let days = i32::try_from(days).ok();
    let days = days.and_then(|days| days.checked_add(DAYS_BEFORE_1970));
    let Some(date) = days.and_then(NaiveDate::from_num_days_from_ce_opt) else {
        return false;
    };
    let (year, month, day) = (date.year(), date.month(), date.day());
    put(out, format_args!("{year:04}-{month:02}-{day:02}"));
    true
}

/// Writes a time of the day; `false` if it is none.
fn clock(us: i64, out: &mut Vec<u8>) -> bool {
    if !(0..DAY_US).contains(&us) {
        return false;
    }
    let (seconds, parts) = (us / 1_000_000, us % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    put(out, format_args!("{hour:02}:{minute:02}:{second:02}"));
    if parts != 0 {
        put(out, format_args!(".{parts:06}"));
    }
    true
}

fn timestamp(us: i64, out: &mut Vec<u8>) -> bool {
    if !date(us.div_euclid(DAY_US), out) {
        return false;
    }
    out.push(b' ');
    clock(us.rem_euclid(DAY_US), out)
}

/// Writes a timestamp in units of `unit` microseconds.
fn epoch(value: i64, parts: i64, unit: i64, out: &mut Vec<u8>) -> bool {
    let Some(us) = microseconds(value, parts) else {
        return false;
    };
    let sign = if us < 0 { "-" } else { "" };
    let (us, unit) = (us.unsigned_abs(), unit.unsigned_abs().max(1));
    let (whole, rest) = (us / unit, us % unit);
    put(out, format_args!("{sign}{whole}"));
    if rest != 0 {
        let digits = unit.ilog10() as usize;
        put(out, format_args!(".{rest:0digits$}"));
    }
    true
}

fn bytes(
    bytes: &[u8],
    logical: Option<Logical>,
    style: Style,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match (logical, style) {
        (_, Style::Hex) => hex(bytes, out),
        (Some(Logical::Decimal(scale)), _) => decimal(bytes, scale, out)?,
        (Some(Logical::Uuid), _) => {
            let mut digits = Vec::new();
            hex(bytes, &mut digits);
            for place in [20, 16, 12, 8] {
                digits.insert(place.min(digits.len()), b'-');
            }
            text(&digits, style, out);
        }
        (Some(Logical::Duration), _) => {
            let mut shown = Vec::new();
            duration(bytes, &mut shown);
            text(&shown, style, out);
        }
        (_, Style::Json) if str::from_utf8(bytes).is_err() => {
            out.push(b'"');
            hex(bytes, out);
            out.push(b'"');
        }
        _ => text(bytes, style, out),
    }
    Ok(())
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        put(out, format_args!("{byte:02x}"));
    }
}

/// Writes a whole number in two's complement with so many digits behind the point.
fn decimal(bytes: &[u8], scale: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let sign = if is_negative { 0xff } else { 0 };
    let mut digits = bytes;
    while let [first, rest @ ..] = digits {
        let keeps_sign = rest
            .first()
            .is_none_or(|next| (next & 0x80 != 0) == is_negative);
        if *first != sign || !keeps_sign {
            break;
        }
        digits = rest;
    }
    let mut whole = [sign; DECIMAL_BYTES_MAX];
    let place = DECIMAL_BYTES_MAX.checked_sub(digits.len());
    let place = place.and_then(|place| whole.get_mut(place..));
    let place = place.ok_or("a row has a decimal of more than 76 digits")?;
    place.copy_from_slice(digits);
    let shown = i256::from_be_bytes(whole).to_string();
    let shown = shown.trim_start_matches('-');
    let shown = format!("{shown:0>width$}", width = scale + 1);
    let (before, behind) = shown.split_at(shown.len() - scale);
    let minus = if is_negative { "-" } else { "" };
    put(out, format_args!("{minus}{before}"));
    if scale > 0 {
        put(out, format_args!(".{behind}"));
    }
    Ok(())
}

/// Writes months, days and milliseconds as an interval.
fn duration(bytes: &[u8], out: &mut Vec<u8>) {
    let (parts, _) = bytes.as_chunks::<4>();
    let part = |place: usize| parts.get(place).map_or(0, |part| u32::from_le_bytes(*part));
    let (months, days, ms) = (part(0), part(1), part(2));
    if months > 0 {
        put(out, format_args!("{months} mons "));
    }
    if days > 0 {
        put(out, format_args!("{days} days "));
    }
    if ms > 0 || out.is_empty() {
        let (seconds, ms) = (ms / 1_000, ms % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        put(
            out,
            format_args!("{hour:02}:{minute:02}:{second:02}.{ms:03}"),
        );
    }
    if out.last() == Some(&b' ') {
        out.pop();
    }
}
