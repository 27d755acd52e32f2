//! Single tokens: literals unescaped by Redshift's rules, reserved words, and how an error shows them.

use super::NAME_BYTES_MAX;
use super::cursor::Cursor;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// What `syntax error at or near` shows of a token.
pub(super) fn near(token: &Token) -> String {
    let text = match token {
        // Never show a literal whole: it may be a secret.
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => "'".to_owned(),
        Token::DollarQuotedString(_) => "$$".to_owned(),
        Token::Word(Word { value, .. }) => value.clone(),
        other => other.to_string(),
    };
    text.chars().take(64).collect()
}

/// Words that can never be a name without quotes.
pub(super) fn is_reserved(word: &str) -> bool {
    const RESERVED: &[&str] = &[
        "all",
        "and",
        "any",
        "as",
        "asc",
        "between",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "cross",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "for",
        "foreign",
        "from",
        "full",
        "grant",
        "group",
        "having",
        "in",
        "inner",
        "intersect",
        "into",
        "is",
        "join",
        "left",
        "like",
        "limit",
        "minus",
        "natural",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "primary",
        "references",
        "right",
        "select",
        "similar",
        "some",
        "table",
        "then",
        "to",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "when",
        "where",
        "with",
    ];
    let lower = word.to_lowercase();
    RESERVED.binary_search(&lower.as_str()).is_ok()
}

/// The value of a string literal token.
pub(super) fn literal(token: &Token) -> Option<String> {
    match token {
        Token::SingleQuotedString(raw) => unescape(raw).ok(),
        Token::EscapedStringLiteral(raw) => Some(raw.clone()),
        Token::DollarQuotedString(quoted) => Some(quoted.value.clone()),
        _ => None,
    }
}

pub(super) fn unescaped(token: &TokenWithSpan) -> Result<TokenWithSpan> {
    let value = match &token.token {
        Token::SingleQuotedString(raw) => Token::SingleQuotedString(
            unescape(raw).map_err(|error| error.at(token.span.start.column as usize))?,
        ),
        Token::Word(word) if word.quote_style.is_some() && word.value.contains("\"\"") => {
            Token::Word(Word {
                value: word.value.replace("\"\"", "\""),
                ..word.clone()
            })
        }
        Token::Word(word) if word.value.len() > NAME_BYTES_MAX => {
            return Err(Error::new(
                SqlState::NAME_TOO_LONG,
                format!("identifier of {} bytes is too long", word.value.len()),
            )
            .with_detail("A name may have 127 bytes.")
            .at(token.span.start.column as usize));
        }
        other => other.clone(),
    };
    Ok(TokenWithSpan {
        token: value,
        span: token.span,
    })
}

/// Resolves `''` and backslash escapes: `\b \f \n \r \t`, octal, `\xhh`; any other character stands for itself.
fn unescape(raw: &str) -> Result<String> {
    if !raw.contains(['\'', '\\']) {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\'' => {
                chars.next_if_eq(&'\'');
                bytes.push(b'\'');
            }
            '\\' => match chars.next() {
                Some('b') => bytes.push(8),
                Some('f') => bytes.push(12),
                Some('n') => bytes.push(b'\n'),
                Some('r') => bytes.push(b'\r'),
                Some('t') => bytes.push(b'\t'),
                Some(first @ '0'..='7') => {
                    let mut value = first.to_digit(8).unwrap_or(0);
                    for _ in 0..2 {
                        let Some(digit) = chars.peek().and_then(|next| next.to_digit(8)) else {
                            break;
                        };
                        chars.next();
                        value = value * 8 + digit;
                    }
                    bytes.push((value & 0xff) as u8);
                }
                Some(other) => push_char(&mut bytes, other),
                None => bytes.push(b'\\'),
            },
            other => push_char(&mut bytes, other),
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::new(
            SqlState::DATA_EXCEPTION,
            "a backslash escape makes a string that is not UTF-8",
        )
    })
}

fn push_char(bytes: &mut Vec<u8>, ch: char) {
    bytes.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Turns an error of `sqlparser` into ours: its `found: x at Line: 1, Column: n` has all we need.
pub(super) fn syntax_error(error: &ParserError, at_end: &Cursor<'_>) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                "statement is nested too deeply",
            )
            .with_hint("Put part of it into a view or a temporary table");
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let position = message
        .rfind("Column: ")
        .and_then(|at| message.get(at + 8..))
        .and_then(|tail| tail.split(|ch: char| !ch.is_ascii_digit()).next())
        .and_then(|digits| digits.parse::<usize>().ok())
        .filter(|position| *position > 0);
    if let Some(position) = position {
        let found = at_end
            .source
            .tokens
            .partition_point(|token| (token.span.start.column as usize) < position);
        let cursor = Cursor {
            at: found,
            ..at_end.clone()
        };
        return cursor.unexpected();
    }
    if message.contains("found: EOF") {
        return at_end.unexpected();
    }
    Error::syntax("syntax error", None).with_detail(format!("{}.", message.trim_end_matches('.')))
}
