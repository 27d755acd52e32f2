//! The pattern of `LIKE ... ESCAPE`, for the engine, whose only escape is the backslash.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;

pub(super) const BLUESHIFT_LIKE_PATTERN: Scalar = Scalar {
    name: "blueshift_like_pattern",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a pattern of LIKE with another escape so that a backslash escapes",
        syntax: "text LIKE pattern ESCAPE character",
        arguments: &[
            ("pattern", "% any characters, _ one"),
            ("character", "what makes the sign behind it a letter"),
        ],
        returns: "VARCHAR",
        examples: &[
            ("'50%' like left('50^%%', 4) escape '^'", "t"),
            ("'50x' like left('50^%%', 4) escape '^'", "f"),
            ("'a' like null::varchar(1) escape '^'", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (patterns, escapes) = (call.text(0)?, call.text(1)?);
    call.build_text(|row, out| {
        let (Some(pattern), Some(escape)) = (patterns.at(row), escapes.at(row)) else {
            return Ok(false);
        };
        let mut characters = escape.chars();
        match (characters.next(), characters.next()) {
            (Some(escape), None) => out.push_str(&with_backslash(pattern, escape)),
            _ => {
                return Err(
                    Error::new(SqlState::INVALID_PARAMETER_VALUE, "invalid escape string")
                        .with_hint("An escape is one character"),
                );
            }
        }
        Ok(true)
    })
}

/// Gives a pattern in which the backslash escapes what `escape` did.
pub(crate) fn with_backslash(pattern: &str, escape: char) -> String {
    let mut result = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character == escape {
            if let Some(next) = characters.next() {
                if matches!(next, '%' | '_' | '\\') {
                    result.push('\\');
                }
                result.push(next);
            }
        } else if character == '\\' {
            result.push_str("\\\\");
        } else {
            result.push(character);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::with_backslash;

    #[test]
    fn an_escape_becomes_a_backslash() {
        for (pattern, expected) in [
            ("a^%%", "a\\%%"),
            ("^_^^", "\\_^"),
            ("a\\b", "a\\\\b"),
            ("^a", "a"),
        ] {
            assert_eq!(with_backslash(pattern, '^'), expected);
        }
    }
}
