//! `LIKE ... ESCAPE c` -> LIKE whose escape is the backslash, the only one the engine has.

use crate::error::{Error, Result};
use crate::function::with_backslash;
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
            _ => {
                escape_later(pattern, character);
                Ok(())
            }
        },
        _ => {
            escape_later(pattern, character);
            Ok(())
        }
    }
}

/// A pattern that is no constant is rewritten when its value is known.
fn escape_later(pattern: &mut Expr, character: char) {
    let text = Value::SingleQuotedString(character.to_string());
    let given = std::mem::replace(pattern, Expr::Value(Value::Null.into()));
    *pattern = super::call(
        "blueshift_like_pattern",
        vec![given, Expr::Value(text.into())],
    );
}
