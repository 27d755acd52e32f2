//! SIMILAR TO: whether a whole text matches a pattern of standard SQL.

use super::matcher::Matcher;
use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;

pub(super) const BLUESHIFT_SIMILAR: Scalar = Scalar {
    name: "blueshift_similar",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::Text],
        &[Kind::Text],
        Kind::Boolean,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Tells whether the whole of a text matches a pattern",
        syntax: "text [NOT] SIMILAR TO pattern [ESCAPE character]",
        arguments: &[
            ("text", "the text"),
            (
                "pattern",
                "% any characters, _ one; | * + ? {m,n} ( ) [ ] as in regular expressions",
            ),
            (
                "character",
                "what makes the sign behind it a letter; a backslash if not given",
            ),
        ],
        returns: "BOOLEAN",
        examples: &[
            ("'abc' similar to '(a|b)%'", "t"),
            ("'abc' similar to 'b'", "f"),
            ("'abc' similar to '_b_'", "t"),
            ("'abc' not similar to '%E%|%H%'", "t"),
            ("'a.c' similar to 'a.c'", "t"),
            ("'abc' similar to 'a.c'", "f"),
            ("'50%' similar to '[0-9]+!%' escape '!'", "t"),
            ("'aab' similar to 'a{2}(b|c)'", "t"),
            ("null similar to 'a'", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.text(0)?, call.text(1)?);
    let escapes = (call.count() > 2).then(|| call.text(2)).transpose()?;
    let escape = |row: usize| match &escapes {
        None => Some("\\"),
        Some(escapes) => escapes.at(row),
    };
    let constant = match (patterns.constant(), escape(0)) {
        (Some(pattern), Some(escape)) => Some(expression(pattern, escape)?),
        _ => None,
    };
    call.build_boolean(|row| {
        let (Some(text), Some(pattern), Some(escape)) =
            (texts.at(row), patterns.at(row), escape(row))
        else {
            return Ok(None);
        };
        let matcher = match &constant {
            Some(expression) => Matcher::get(expression, "")?,
            None => Matcher::get(&expression(pattern, escape)?, "")?,
        };
        Ok(Some(matcher.find(text, 0)?.is_some()))
    })
}

/// The regular expression of a pattern.
fn expression(pattern: &str, escape: &str) -> Result<String> {
    let mut marks = escape.chars();
    let mark = marks.next();
    if marks.next().is_some() {
        return Err(
            Error::new(SqlState::INVALID_PARAMETER_VALUE, "invalid escape string")
                .with_hint("The escape string must be one character, or empty"),
        );
    }
    let mut text = String::from("^(?s:");
    let mut chars = pattern.chars();
    let mut inside = false;
    while let Some(ch) = chars.next() {
        if Some(ch) == mark {
            if let Some(letter) = chars.next() {
                text.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
            }
            continue;
        }
        match ch {
            ']' => {
                inside = false;
                text.push(ch);
            }
            _ if inside => text.push(ch),
            '[' => {
                inside = true;
                text.push(ch);
            }
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' => text.push(ch),
            letter => text.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    text.push_str(")$");
    Ok(text)
}
