//! A text as a floating-point number: what a cast to REAL or DOUBLE PRECISION does. The engine's own cast makes an
//! infinity of what is too large and a zero of what is too small.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;

const FORMS: &[Form] = &[Form::with_optional(
    &[Kind::Text],
    &[Kind::Boolean],
    Kind::Double,
)];

const ARGUMENTS: &[(&str, &str)] = &[
    ("text", "a number as it is written in SQL, Infinity or NaN"),
    (
        "or_null",
        "whether what is none gives null, as TRY_CAST does",
    ),
];

pub(in crate::function) const READ_DOUBLE: Scalar = Scalar {
    name: "blueshift_read_double",
    aliases: &[],
    forms: FORMS,
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a number from a text, as CAST(text AS DOUBLE PRECISION)",
        syntax: "BLUESHIFT_READ_DOUBLE(text [, or_null])",
        arguments: ARGUMENTS,
        returns: "DOUBLE PRECISION",
        examples: &[
            ("' 1.5e2 '::float8", "150"),
            ("'-infinity'::float8", "-Infinity"),
            ("try_cast('1e400' as float8)", "NULL"),
        ],
    },
    code: Code::Own(|call| eval(call, "double precision", |value| value)),
};

pub(in crate::function) const READ_REAL: Scalar = Scalar {
    name: "blueshift_read_real",
    aliases: &[],
    forms: FORMS,
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a number from a text that a REAL can hold, as CAST(text AS REAL)",
        syntax: "BLUESHIFT_READ_REAL(text [, or_null])",
        arguments: ARGUMENTS,
        returns: "DOUBLE PRECISION",
        examples: &[("'1.5'::real", "1.5"), ("try_cast('1e40' as real)", "NULL")],
    },
    code: Code::Own(|call| {
        eval(call, "real", |value| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "to see what a REAL makes of it"
            )]
            let single = value as f32;
            f64::from(single)
        })
    }),
};

fn eval(call: &Call<'_>, ty: &str, rounded: fn(f64) -> f64) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let or_null = call.count() > 1;
    call.build::<Float64Type>(|row| {
        let Some(text) = texts.at(row) else {
            return Ok(None);
        };
        match read(text, ty, rounded) {
            Ok(value) => Ok(Some(value)),
            Err(_) if or_null => Ok(None),
            Err(error) => Err(error),
        }
    })
}

fn read(text: &str, ty: &str, rounded: fn(f64) -> f64) -> Result<f64> {
    let plain = text.trim();
    let value: f64 = plain.parse().map_err(|_| {
        Error::new(
            SqlState::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type {ty}: \"{text}\""),
        )
    })?;
    let value = rounded(value);
    let is_digit = |letter: char| ('1'..='9').contains(&letter);
    let mantissa = plain.split(['e', 'E']).next().unwrap_or_default();
    let is_number = mantissa.contains(|letter: char| letter.is_ascii_digit());
    let overflows = value.is_infinite() && is_number;
    if overflows || (value == 0.0 && mantissa.contains(is_digit)) {
        return Err(Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{plain}\" is out of range for type {ty}"),
        ));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_told_from_what_is_none() {
        let check = |text: &str| read(text, "real", |value| value);
        let code = |text: &str| check(text).map_err(|error| error.code);
        let out = Err(SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        let wrong = Err(SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!(code(" -2.5E1"), Ok(-25.0));
        assert_eq!(code("0e500"), Ok(0.0));
        assert_eq!(code("1e400"), out);
        assert_eq!(code("-.1e-400"), out);
        assert_eq!(code("Infinity"), Ok(f64::INFINITY));
        assert_eq!(code("-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(code("1,5"), wrong);
        assert_eq!(code(""), wrong);
    }
}
