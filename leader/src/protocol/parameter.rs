//! Values of `$1`... as the client sends them, in text or binary.

use crate::error::sqlstate::Report;
use crate::session::Parameter;
use blueshift_sql::function::read_scalar;
use blueshift_sql::function::session::Session;
use blueshift_sql::types::interval::{DAY, MONTH_DAYS};
use blueshift_sql::types::timetz::TimeTz;
use blueshift_sql::{SqlState, SqlType};
use bytes::{Buf, Bytes};
use std::str::FromStr;

/// Days from 1970 to 2000, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// Digits of the widest NUMERIC.
const PRECISION_MAX: usize = 38;

/// Reads one value.
pub(super) fn decode(
    value: Option<&Bytes>,
    ty: SqlType,
    binary: bool,
    session: Session<'_>,
) -> Result<Parameter, Report> {
    match value {
        None => Ok(null(ty)),
        Some(bytes) if binary => from_binary(bytes.clone(), ty, session),
        Some(bytes) => from_text(utf8(bytes)?, ty, session),
    }
}

fn null(ty: SqlType) -> Parameter {
    match ty {
        SqlType::Boolean => Parameter::Boolean(None),
        SqlType::SmallInt => Parameter::Int16(None),
        SqlType::Integer => Parameter::Int32(None),
        SqlType::BigInt | SqlType::Oid => Parameter::Int64(None),
        SqlType::Decimal { precision, scale } => Parameter::Decimal128(None, precision, scale),
        SqlType::Real => Parameter::Float32(None),
        SqlType::Double => Parameter::Float64(None),
        SqlType::Date => Parameter::Date32(None),
        SqlType::Time => Parameter::Time64Microsecond(None),
        SqlType::TimeTz => Parameter::Time64Nanosecond(None),
        SqlType::YearToMonth(_) => Parameter::IntervalYearMonth(None),
        SqlType::DayToSecond(_) => Parameter::DurationMicrosecond(None),
        SqlType::Timestamp => Parameter::TimestampMicrosecond(None, None),
        SqlType::TimestampTz => Parameter::TimestampMicrosecond(None, Some("UTC".into())),
        SqlType::Varbyte(_) => Parameter::BinaryView(None),
        SqlType::Char(_)
        | SqlType::Varchar(_)
        | SqlType::Super
        | SqlType::HllSketch
        | SqlType::Name
        | SqlType::Unknown => Parameter::Utf8View(None),
    }
}

fn utf8(bytes: &Bytes) -> Result<&str, Report> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Report::new(
            SqlState::DATA_EXCEPTION,
            "invalid byte sequence for encoding \"UTF8\"",
        )
    })?;
    if text.contains('\0') {
        return Err(Report::new(
            SqlState::DATA_EXCEPTION,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(text)
}

fn invalid(kind: &str, text: &str) -> Report {
    Report::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {kind}: \"{text}\""),
    )
}

fn parse<T: FromStr>(kind: &str, text: &str) -> Result<Option<T>, Report> {
    text.trim()
        .parse()
        .map(Some)
        .map_err(|_| invalid(kind, text))
}

fn integer<T: TryFrom<i128>>(kind: &str, text: &str) -> Result<Option<T>, Report> {
    let value: i128 = text.trim().parse().map_err(|_| invalid(kind, text))?;
    T::try_from(value).map(Some).map_err(|_| {
        Report::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type {kind}"),
        )
    })
}

fn from_text(text: &str, ty: SqlType, session: Session<'_>) -> Result<Parameter, Report> {
    Ok(match ty {
        SqlType::Boolean => Parameter::Boolean(Some(boolean(text)?)),
        SqlType::SmallInt => Parameter::Int16(integer("smallint", text)?),
        SqlType::Integer => Parameter::Int32(integer("integer", text)?),
        SqlType::BigInt => Parameter::Int64(integer("bigint", text)?),
        SqlType::Oid => Parameter::Int64(integer::<u32>("oid", text)?.map(i64::from)),
        SqlType::Decimal { .. } => decimal(text)?,
        SqlType::Real => Parameter::Float32(parse("real", text)?),
        SqlType::Double => Parameter::Float64(parse("double precision", text)?),
        SqlType::Date
        | SqlType::Time
        | SqlType::TimeTz
        | SqlType::Timestamp
        | SqlType::TimestampTz
        | SqlType::YearToMonth(_)
        | SqlType::DayToSecond(_) => read_scalar(text, ty, session)
            .map_err(|error| Report::new(error.code, error.message))?,
        SqlType::Varbyte(_) => Parameter::BinaryView(Some(bytes(text)?)),
        SqlType::Char(_)
        | SqlType::Varchar(_)
        | SqlType::Super
        | SqlType::HllSketch
        | SqlType::Name
        | SqlType::Unknown => Parameter::Utf8View(Some(text.to_string())),
    })
}

fn boolean(text: &str) -> Result<bool, Report> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Ok(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Ok(false),
        _ => Err(invalid("boolean", text)),
    }
}

/// Reads a number with the digits it has: its scale is its own, the binder casts it where it is used.
fn decimal(text: &str) -> Result<Parameter, Report> {
    let trimmed = text.trim();
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            exponent
                .parse::<i32>()
                .map_err(|_| invalid("numeric", text))?,
        ),
        None => (trimmed, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = i32::try_from(fraction.len())
        .unwrap_or(i32::MAX)
        .saturating_sub(exponent);
    let digits = format!("{whole}{fraction}");
    let bare = digits.trim_start_matches(['+', '-']);
    if bare.is_empty()
        || !bare.bytes().all(|byte| byte.is_ascii_digit())
        || digits.len() - bare.len() > 1
    {
        return Err(invalid("numeric", text));
    }
    let overflow = || {
        Report::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" has more than 38 digits"),
        )
    };
    let value: i128 = digits
        .trim_start_matches('+')
        .parse()
        .map_err(|_| overflow())?;
    scaled(value, scale).ok_or_else(overflow)
}

/// Makes `value / 10^scale`, `None` beyond 38 digits.
fn scaled(value: i128, scale: i32) -> Option<Parameter> {
    let (value, scale) = if scale < 0 {
        (
            value.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?,
            0,
        )
    } else {
        (value, scale)
    };
    let fits =
        scale <= PRECISION_MAX as i32 && value.unsigned_abs() < 10_u128.pow(PRECISION_MAX as u32);
    fits.then(|| Parameter::Decimal128(Some(value), PRECISION_MAX as u8, scale as i8))
}

/// Reads VARBYTE: hexadecimal after `\x` or alone, else the text's own bytes.
fn bytes(text: &str) -> Result<Vec<u8>, Report> {
    let Some(hex) = text.strip_prefix("\\x") else {
        return Ok(text.as_bytes().to_vec());
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = hex.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| invalid("varbyte", text))
}

fn from_binary(mut bytes: Bytes, ty: SqlType, session: Session<'_>) -> Result<Parameter, Report> {
    let wrong = |_| wrong_binary();
    let value = match ty {
        SqlType::Boolean => Parameter::Boolean(Some(bytes.try_get_u8().map_err(wrong)? != 0)),
        SqlType::SmallInt => Parameter::Int16(Some(bytes.try_get_i16().map_err(wrong)?)),
        SqlType::Integer => Parameter::Int32(Some(bytes.try_get_i32().map_err(wrong)?)),
        SqlType::BigInt => Parameter::Int64(Some(bytes.try_get_i64().map_err(wrong)?)),
        SqlType::Oid => Parameter::Int64(Some(i64::from(bytes.try_get_u32().map_err(wrong)?))),
        SqlType::Decimal { .. } => decimal_binary(&mut bytes)?,
        SqlType::Real => Parameter::Float32(Some(bytes.try_get_f32().map_err(wrong)?)),
        SqlType::Double => Parameter::Float64(Some(bytes.try_get_f64().map_err(wrong)?)),
        SqlType::Date => {
            Parameter::Date32(bytes.try_get_i32().map_err(wrong)?.checked_add(EPOCH_DAYS))
        }
        SqlType::Time => Parameter::Time64Microsecond(Some(bytes.try_get_i64().map_err(wrong)?)),
        SqlType::TimeTz => {
            let local = bytes.try_get_i64().map_err(wrong)?;
            let west = bytes.try_get_i32().map_err(wrong)?;
            let ahead = i64::from(west) / -60;
            Parameter::Time64Nanosecond(Some(TimeTz { local, ahead }.packed()))
        }
        SqlType::YearToMonth(_) => {
            Parameter::IntervalYearMonth(Some(bytes.try_get_i32().map_err(wrong)?))
        }
        // As PostgreSQL sends an interval, in parts, or as its microseconds alone.
        SqlType::DayToSecond(_) if bytes.len() == 16 => {
            let rest = bytes.try_get_i64().map_err(wrong)?;
            let days = bytes.try_get_i32().map_err(wrong)?;
            let months = bytes.try_get_i32().map_err(wrong)?;
            let days = i64::from(months) * MONTH_DAYS + i64::from(days);
            let whole = days.checked_mul(DAY);
            Parameter::DurationMicrosecond(whole.and_then(|whole| whole.checked_add(rest)))
        }
        SqlType::DayToSecond(_) => {
            Parameter::DurationMicrosecond(Some(bytes.try_get_i64().map_err(wrong)?))
        }
        SqlType::Timestamp | SqlType::TimestampTz => {
            let instant = bytes
                .try_get_i64()
                .map_err(wrong)?
                .checked_add(EPOCH_MICROSECONDS);
            let zone = matches!(ty, SqlType::TimestampTz).then(|| "UTC".into());
            Parameter::TimestampMicrosecond(instant, zone)
        }
        SqlType::Varbyte(_) => return Ok(Parameter::BinaryView(Some(bytes.to_vec()))),
        SqlType::Char(_)
        | SqlType::Varchar(_)
        | SqlType::Super
        | SqlType::HllSketch
        | SqlType::Name
        | SqlType::Unknown => {
            return from_text(utf8(&bytes)?, ty, session);
        }
    };
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(wrong_binary())
    }
}

fn wrong_binary() -> Report {
    Report::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        "incorrect binary data format in bind parameter",
    )
}

fn decimal_binary(bytes: &mut Bytes) -> Result<Parameter, Report> {
    let mut next = || bytes.try_get_u16().map_err(|_| wrong_binary());
    let (count, weight, sign, scale) = (next()?, next()? as i16, next()?, next()?);
    if sign != 0 && sign != 0x4000 {
        return Err(Report::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "NaN and infinity are not values of type numeric",
        ));
    }
    let overflow = || {
        Report::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "a bind parameter has more than 38 digits",
        )
    };
    let mut value = 0_i128;
    for _ in 0..count {
        let digit = i128::from(next()?);
        value = value
            .checked_mul(10_000)
            .and_then(|value| value.checked_add(digit))
            .ok_or_else(overflow)?;
    }
    // The digits end at 10 000 to this power; what is beyond the declared scale is zeros.
    let lowest = i32::from(weight) - i32::from(count) + 1;
    let mut places = -lowest * 4;
    let scale = i32::from(scale);
    while places > scale && value % 10 == 0 && value != 0 {
        value /= 10;
        places -= 1;
    }
    while places < scale {
        value = value.checked_mul(10).ok_or_else(overflow)?;
        places += 1;
    }
    if value == 0 {
        places = scale;
    }
    scaled(if sign == 0 { value } else { -value }, places).ok_or_else(overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ty: SqlType, text: &str) -> Parameter {
        decode(
            Some(&Bytes::copy_from_slice(text.as_bytes())),
            ty,
            false,
            Session::PLAIN,
        )
        .unwrap()
    }

    fn binary(ty: SqlType, bytes: &[u8]) -> Parameter {
        decode(
            Some(&Bytes::copy_from_slice(bytes)),
            ty,
            true,
            Session::PLAIN,
        )
        .unwrap()
    }

    #[test]
    fn text_and_binary_agree() {
        let numeric = SqlType::Decimal {
            precision: 18,
            scale: 2,
        };
        assert_eq!(
            text(SqlType::Integer, " 258"),
            binary(SqlType::Integer, &[0, 0, 1, 2])
        );
        assert_eq!(text(SqlType::Boolean, "on"), binary(SqlType::Boolean, &[1]));
        assert_eq!(
            text(SqlType::Date, "2000-01-02"),
            binary(SqlType::Date, &[0, 0, 0, 1])
        );
        assert_eq!(
            text(SqlType::Timestamp, "2000-01-01 00:00:00.000001"),
            binary(SqlType::Timestamp, &[0, 0, 0, 0, 0, 0, 0, 1])
        );
        assert_eq!(
            text(SqlType::TimestampTz, "2000-01-01 01:00:00+01:00"),
            binary(SqlType::TimestampTz, &[0; 8])
        );
        assert_eq!(
            text(numeric, "12345.67"),
            binary(numeric, &[0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 9, 41, 26, 44])
        );
        assert_eq!(
            text(numeric, "-0.05"),
            binary(numeric, &[0, 1, 255, 255, 64, 0, 0, 2, 1, 244])
        );
        assert_eq!(
            text(numeric, "10000"),
            binary(numeric, &[0, 1, 0, 1, 0, 0, 0, 0, 0, 1])
        );
        assert_eq!(text(numeric, "1e2"), text(numeric, "100"));
        assert_eq!(
            decode(None, SqlType::BigInt, false, Session::PLAIN).unwrap(),
            Parameter::Int64(None)
        );
    }

    #[test]
    fn wrong_values_are_refused_with_their_code() {
        let check = |ty, value: &[u8], binary, code| {
            let error = decode(
                Some(&Bytes::copy_from_slice(value)),
                ty,
                binary,
                Session::PLAIN,
            )
            .unwrap_err();
            assert_eq!(error.code, code, "{error}");
        };
        check(
            SqlType::Integer,
            b"x",
            false,
            SqlState::INVALID_TEXT_REPRESENTATION,
        );
        check(
            SqlType::SmallInt,
            b"40000",
            false,
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        );
        check(
            SqlType::Integer,
            &[0],
            true,
            SqlState::INVALID_TEXT_REPRESENTATION,
        );
        check(
            SqlType::Integer,
            &[0; 5],
            true,
            SqlState::INVALID_TEXT_REPRESENTATION,
        );
        check(
            SqlType::Date,
            b"2024-02-30",
            false,
            SqlState::DATETIME_FIELD_OVERFLOW,
        );
        check(
            SqlType::Date,
            b"soon",
            false,
            SqlState::INVALID_DATETIME_FORMAT,
        );
        check(
            SqlType::Varchar(1),
            b"\xff",
            false,
            SqlState::DATA_EXCEPTION,
        );
        check(
            SqlType::Decimal {
                precision: 1,
                scale: 0,
            },
            b"1-2",
            false,
            SqlState::INVALID_TEXT_REPRESENTATION,
        );
    }
}
