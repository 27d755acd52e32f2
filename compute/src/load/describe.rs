//! The reason of a refused field, with what Redshift adds to it: the byte in the way, its place, the type.

use crate::format::delimited::problem::Problem;
use blueshift_sql::SqlType;

/// Gives STL_LOAD_ERRORS.err_code: a problem with a number of its own for some types has that.
pub(super) fn code(problem: Problem, ty: Option<SqlType>) -> i32 {
    match (problem, ty) {
        (Problem::Overflow, Some(ty)) if integer_range(ty).is_some() => 1222,
        _ => problem.code(),
    }
}

fn integer_range(ty: SqlType) -> Option<(i64, i64)> {
    match ty {
        SqlType::SmallInt => Some((i16::MIN.into(), i16::MAX.into())),
        SqlType::Integer => Some((i32::MIN.into(), i32::MAX.into())),
        SqlType::BigInt => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}

/// Gives STL_LOAD_ERRORS.err_reason. Source: Redshift's guide, "Multibyte character load errors", and its examples.
pub(super) fn reason(problem: Problem, ty: Option<SqlType>, value: &[u8]) -> String {
    let text = problem.reason();
    match (problem, ty) {
        (Problem::Integer | Problem::Decimal, Some(ty)) => bad_digit(ty, value),
        (Problem::Overflow, Some(SqlType::Decimal { precision, scale })) => {
            Some(format!("Overflow for NUMERIC({precision},{scale})"))
        }
        (Problem::Overflow, Some(ty)) => integer_range(ty)
            .map(|(low, high)| format!("Overflow ({} valid range {low} to {high})", integer(ty))),
        // The documented text blames the length, which may be right.
        (Problem::Date, _) if value.len() >= 10 => {
            Some("Invalid date format or value [YYYY-MM-DD]".to_owned())
        }
        (Problem::Utf8, _) => bad_utf8(value).map(|(bytes, code)| {
            format!(
                "{text}. Bad UTF8 hex sequence: {} (error {code})",
                hex(bytes)
            )
        }),
        (Problem::MultibyteChar, _) => {
            multibyte(value).map(|bytes| format!("{text}. Invalid char: {}", hex(bytes)))
        }
        _ => None,
    }
    .unwrap_or_else(|| text.to_owned())
}

/// Names an integer type as err_reason does.
fn integer(ty: SqlType) -> &'static str {
    match ty {
        SqlType::SmallInt => "Short",
        SqlType::Integer => "Integer",
        _ => "Long",
    }
}

fn bad_digit(ty: SqlType, value: &[u8]) -> Option<String> {
    let name = match ty {
        SqlType::Decimal { .. } => "Decimal",
        SqlType::SmallInt | SqlType::Integer | SqlType::BigInt | SqlType::Oid => integer(ty),
        _ => return None,
    };
    let is_decimal = matches!(ty, SqlType::Decimal { .. });
    let mut points = 0;
    let first = value.iter().take_while(|byte| **byte == b' ').count();
    let place = value
        .iter()
        .enumerate()
        .skip(first)
        .position(|(place, byte)| {
            points += usize::from(*byte == b'.');
            let sign = place == first && matches!(byte, b'-' | b'+');
            let point = *byte == b'.' && is_decimal && points == 1;
            !(byte.is_ascii_digit() || sign || point)
        })?
        + first;
    let shown = String::from_utf8_lossy(value.get(place..)?);
    let shown = shown.chars().next()?;
    Some(format!(
        "Invalid digit, Value '{shown}', Pos {place}, Type: {name}"
    ))
}

/// Finds the first sequence that is not UTF-8, with its documented number.
fn bad_utf8(value: &[u8]) -> Option<(&[u8], u8)> {
    let bad = value
        .utf8_chunks()
        .map(|chunk| chunk.invalid())
        .find(|bad| !bad.is_empty())?;
    let place = bad.as_ptr() as usize - value.as_ptr() as usize;
    let rest = value.get(place..)?;
    Some(match *rest {
        [0x80..=0xbf | 0xfe | 0xff, ..] => (rest.get(..1)?, 3),
        [0xf8..=0xfd, ..] => (rest.get(..1)?, 1),
        [0xed, 0xa0..=0xbf, ..] => (rest.get(..3.min(rest.len()))?, 5),
        [0xf4, 0x90..=0xbf, ..] | [0xf5..=0xf7, ..] => (rest.get(..4.min(rest.len()))?, 8),
        [0xc0 | 0xc1, ..] | [0xe0, 0x80..=0x9f, ..] | [0xf0, 0x80..=0x8f, ..] => (bad, 9),
        _ if bad.len() == rest.len() => (bad, 2),
        _ => (rest.get(..bad.len() + 1)?, 4),
    })
}

/// Finds the first character of several bytes, or of none.
fn multibyte(value: &[u8]) -> Option<&[u8]> {
    let place = value.iter().position(|byte| !byte.is_ascii())?;
    let rest = value.get(place..)?;
    let chunk = rest.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(first) => rest.get(..first.len_utf8()),
        None => Some(chunk.invalid()),
    }
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_what_is_in_the_way() {
        let check = |problem, ty, value: &[u8], expected: &str| {
            let found = reason(problem, Some(ty), value);
            assert!(found.ends_with(expected), "{found}");
        };
        let decimal = SqlType::Decimal {
            precision: 5,
            scale: 1,
        };
        check(
            Problem::Integer,
            SqlType::Integer,
            b"1.5",
            "Invalid digit, Value '.', Pos 1, Type: Integer",
        );
        check(
            Problem::Decimal,
            decimal,
            b"-1.5.2",
            "Invalid digit, Value '.', Pos 4, Type: Decimal",
        );
        check(
            Problem::Integer,
            SqlType::BigInt,
            " 7\u{e4}".as_bytes(),
            "Value '\u{e4}', Pos 2, Type: Long",
        );
        check(
            Problem::Integer,
            SqlType::SmallInt,
            b"-",
            "Invalid digit, not an integer",
        );
        let text = SqlType::Varchar(9);
        for (value, expected) in [
            (&b"a\xa4b"[..], "Bad UTF8 hex sequence: a4 (error 3)"),
            (b"a\xe4", "Bad UTF8 hex sequence: e4 (error 2)"),
            (b"a\xe4bc", "Bad UTF8 hex sequence: e4 62 (error 4)"),
            (b"\xed\xa0\x80", "Bad UTF8 hex sequence: ed a0 80 (error 5)"),
            (
                b"\xf4\x90\x80\x80",
                "Bad UTF8 hex sequence: f4 90 80 80 (error 8)",
            ),
            (b"\xc0\x80", "Bad UTF8 hex sequence: c0 (error 9)"),
            (b"\xfc", "Bad UTF8 hex sequence: fc (error 1)"),
        ] {
            check(Problem::Utf8, text, value, expected);
        }
        check(
            Problem::MultibyteChar,
            SqlType::Char(9),
            "a\u{e4}".as_bytes(),
            "Invalid char: c3 a4",
        );
    }
}
