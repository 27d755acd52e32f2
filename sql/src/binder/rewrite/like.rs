//! `LIKE ... ESCAPE c` -> LIKE whose escape is the backslash, the only one the engine has.

use crate::error::{Error, Result};
use sqlparser::ast::{Expr, Value};

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let (pattern, escape) = match expr {
        Expr::Like {
            pattern,
            escape_char,
            ..
        }
        | Expr::ILike {
            pattern,
            escape_char,
            ..
        } => (pattern, escape_char),
        _ => return Ok(()),
    };
    let Some(given) = escape.take() else {
        return Ok(());
    };
    let character = match &given.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text.clone(),
        other => other.to_string(),
    };
    let mut characters = character.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else {
        return Err(Error::new(
            crate::sqlstate::SqlState::INVALID_PARAMETER_VALUE,
            "invalid escape string",
        )
        .with_hint("An escape is one character"));
    };
    if character == '\\' {
        return Ok(());
    }
    match pattern.as_mut() {
        Expr::Value(value) => match &mut value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
                *text = with_backslash(text, character);
                Ok(())
            }
            Value::Null => Ok(()),
            _ => Err(not_constant()),
        },
        _ => Err(not_constant()),
    }
}

fn not_constant() -> Error {
    Error::unsupported(
        "ESCAPE of a pattern that is not a constant",
        "Escape with a backslash, which needs no ESCAPE",
    )
}

fn with_backslash(pattern: &str, escape: char) -> String {
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
