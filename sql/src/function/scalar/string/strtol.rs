//! STRTOL: a text of digits in a base as a number.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;
use arrow::datatypes::Int64Type;

pub(super) const STRTOL: Scalar = Scalar {
    name: "strtol",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::BigInt], Kind::BigInt)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a number of a base",
        syntax: "STRTOL(text, base)",
        arguments: &[
            (
                "text",
                "blanks, a sign and digits; 0x may stand before those of base 16",
            ),
            ("base", "from 2 to 36"),
        ],
        returns: "BIGINT; 0 of an empty text",
        examples: &[
            ("strtol('0xf', 16)", "15"),
            ("strtol('abcd1234', 16)", "2882343476"),
            ("strtol('1234567', 10)", "1234567"),
            ("strtol('1234567', 8)", "342391"),
            ("strtol('110101', 2)", "53"),
            ("strtol('  -z', 36)", "-35"),
            ("strtol('', 2)", "0"),
            ("strtol('\\0', 2)", "0"),
            ("strtol(null, 2)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, bases) = (call.text(0)?, call.bigint(1)?);
    call.build::<Int64Type>(|row| {
        let (Some(text), Some(base)) = (texts.at(row), bases.at(row)) else {
            return Ok(None);
        };
        // As in C, where a text ends at a zero byte.
        let text = text.split('\0').next().unwrap_or_default();
        read(text, base).map(Some)
    })
}

fn read(text: &str, base: i64) -> Result<i64> {
    let radix = u32::try_from(base)
        .ok()
        .filter(|base| (2..=36).contains(base));
    let Some(radix) = radix else {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("base {base} is not from 2 to 36"),
        ));
    };
    let trimmed = text.trim_start();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let digits = hex.filter(|_| radix == 16).unwrap_or(digits);
    if digits.is_empty() {
        return Ok(0);
    }
    let value = if digits.starts_with(['+', '-']) {
        None
    } else {
        i128::from_str_radix(digits, radix).ok()
    };
    let Some(value) = value else {
        let known = digits.chars().all(|digit| digit.is_digit(radix));
        let (code, why) = if known {
            (
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                "is out of range for type bigint",
            )
        } else {
            (
                SqlState::INVALID_TEXT_REPRESENTATION,
                "is not a number of that base",
            )
        };
        return Err(Error::new(code, format!("\"{text}\" {why}: base {radix}")));
    };
    let value = if negative { -value } else { value };
    i64::try_from(value).map_err(|_| {
        Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{text}\" is out of range for type bigint"),
        )
    })
}
