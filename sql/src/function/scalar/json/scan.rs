//! A scanner of JSON text: checks it and finds places in it, without building a tree and without recursion, so that text
//! nested however deep costs a byte a level.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

/// A value within a text, from its first byte to the one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::function) struct Value<'a> {
    pub(in crate::function) text: &'a str,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::function) enum Shape {
    Object,
    Array,
    String,
    Null,
    /// A number, true or false.
    Plain,
}

/// How much of a wrong text an error shows.
const SHOWN: usize = 60;

/// The error of a text that is not what it should be.
pub(in crate::function) fn invalid(what: &str, text: &str) -> Error {
    let mut shown = String::new();
    for each in text.chars().take(SHOWN) {
        match each.is_control() {
            true => shown.extend(each.escape_default()),
            false => shown.push(each),
        }
    }
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, "JSON parsing error")
        .with_detail(format!("Invalid json {what}: {shown}"))
        .with_hint("Pass true as null_if_invalid to get null instead, or test with IS_VALID_JSON")
}

/// Reads a text that is one JSON value; `None` if it is not.
pub(in crate::function) fn parse(text: &str) -> Option<Value<'_>> {
    let bytes = text.as_bytes();
    let start = blanks(bytes, 0);
    let end = value(bytes, start)?;
    if blanks(bytes, end) != bytes.len() {
        return None;
    }
    text.get(start..end).map(|text| Value { text })
}

fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Gives the end of the value that starts at a place.
fn value(bytes: &[u8], start: usize) -> Option<usize> {
    // The closing brackets that are still missing.
    let mut open: Vec<u8> = Vec::new();
    let mut at = start;
    loop {
        // A value starts here.
        match bytes.get(at)? {
            b'{' => {
                at = blanks(bytes, at + 1);
                if bytes.get(at) == Some(&b'}') {
                    at += 1;
                } else {
                    open.push(b'}');
                    at = key(bytes, at)?;
                    continue;
                }
            }
            b'[' => {
                at = blanks(bytes, at + 1);
                if bytes.get(at) == Some(&b']') {
                    at += 1;
                } else {
                    open.push(b']');
                    continue;
                }
            }
            b'"' => at = string(bytes, at)?,
            _ => at = plain(bytes, at)?,
        }
        // A value ended: close what ends with it.
        loop {
            let Some(closing) = open.last() else {
                return Some(at);
            };
            at = blanks(bytes, at);
            match bytes.get(at)? {
                b',' => {
                    at = blanks(bytes, at + 1);
                    if *closing == b'}' {
                        at = key(bytes, at)?;
                    }
                    break;
                }
                byte if byte == closing => {
                    open.pop();
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

/// Reads a key and its colon; gives the start of the value.
fn key(bytes: &[u8], at: usize) -> Option<usize> {
    let end = string(bytes, at)?;
    let colon = blanks(bytes, end);
    (bytes.get(colon) == Some(&b':')).then(|| blanks(bytes, colon + 1))
}

/// Gives the end of a string in quotes.
fn string(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'u' => {
                    let digits = bytes.get(at + 2..at + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            // Lines and tabs may stand in a string, as in many files.
            _ => at += 1,
        }
    }
}

/// Gives the end of a number, true, false or null.
fn plain(bytes: &[u8], start: usize) -> Option<usize> {
    for word in [b"true".as_slice(), b"false", b"null"] {
        if bytes.get(start..)?.starts_with(word) {
            return Some(start + word.len());
        }
    }
    let digits = |mut at: usize| {
        let from = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at > from).then_some(at)
    };
    let from = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = digits(from)?;
    if bytes.get(from) == Some(&b'0') && at > from + 1 {
        return None;
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(at + 1 + sign)?;
    }
    Some(at)
}

impl<'a> Value<'a> {
    pub(in crate::function) fn shape(self) -> Shape {
        match self.text.as_bytes().first() {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::Array,
            Some(b'"') => Shape::String,
            Some(b'n') => Shape::Null,
            _ => Shape::Plain,
        }
    }

    /// The elements of an array, or the values of an object with their keys, which are in quotes.
    pub(in crate::function) fn members(self) -> Members<'a> {
        Members {
            text: self.text,
            at: 1,
            keyed: self.shape() == Shape::Object,
        }
    }

    /// The value under a key of an object.
    pub(in crate::function) fn get(self, wanted: &str) -> Option<Value<'a>> {
        if self.shape() != Shape::Object {
            return None;
        }
        let is = |key: &str| {
            let inside = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
            if inside.contains('\\') {
                let mut text = String::new();
                unescape(inside, &mut text);
                text == wanted
            } else {
                inside == wanted
            }
        };
        let mut members = self.members();
        members.find(|(key, _)| is(key)).map(|(_, value)| value)
    }

    /// Appends the value as text: a string without its quotes, anything else as it is written.
    pub(in crate::function) fn write(self, out: &mut String) {
        match self.shape() {
            Shape::String => {
                let end = self.text.len().saturating_sub(1);
                unescape(self.text.get(1..end).unwrap_or_default(), out);
            }
            _ => out.push_str(self.text),
        }
    }
}

/// The members of an array or object, from the first.
pub(in crate::function) struct Members<'a> {
    text: &'a str,
    at: usize,
    keyed: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let mut at = blanks(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = blanks(bytes, at + 1);
        }
        let mut name = "";
        if self.keyed {
            let end = string(bytes, at)?;
            name = self.text.get(at..end)?;
            at = key(bytes, at)?;
        }
        let end = value(bytes, at)?;
        self.at = end;
        let text = self.text.get(at..end)?;
        Some((name, Value { text }))
    }
}

/// Appends a string with its escapes read.
fn unescape(text: &str, out: &mut String) {
    let mut chars = text.chars();
    let mut high: Option<u32> = None;
    while let Some(ch) = chars.next() {
        if ch != '\\' {
            out.push(ch);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits = chars.as_str().get(..4).unwrap_or_default();
                let code = u32::from_str_radix(digits, 16).unwrap_or(0xfffd);
                chars = chars.as_str().get(4..).unwrap_or_default().chars();
                match (high.take(), code) {
                    // Two halves make one character.
                    (Some(first), 0xdc00..=0xdfff) => {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (code - 0xdc00);
                        out.extend(char::from_u32(code));
                    }
                    (_, 0xd800..=0xdbff) => high = Some(code),
                    (_, code) => out.push(char::from_u32(code).unwrap_or('\u{fffd}')),
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
}

/// Reads every text of a column; one that is not JSON, or not of the shape, is null or an error.
pub(in crate::function) fn checked<'a>(
    text: &'a str,
    shape: Option<Shape>,
    what: &str,
    null_if_invalid: bool,
) -> Result<Option<Value<'a>>> {
    let value = parse(text).filter(|value| shape.is_none_or(|shape| value.shape() == shape));
    match value {
        Some(value) => Ok(Some(value)),
        None if null_if_invalid => Ok(None),
        None => Err(invalid(what, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Shape, invalid, parse};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_another_parser(text in "[\\[\\]{}:,\"a\\\\u0-9.+ tn-]{0,24}") {
            let other: Result<serde_json::Value, _> = serde_json::from_str(&text);
            prop_assert_eq!(parse(&text).is_some(), other.is_ok(), "{}", text);
        }
    }

    #[test]
    fn refused_texts_are_shown_without_control_characters() {
        let told = invalid("text", "{\n\t\"ä\": }\u{1}");
        let detail = told.detail.as_deref();
        assert_eq!(detail, Some("Invalid json text: {\\n\\t\"ä\": }\\u{1}"));
    }

    #[test]
    fn depth_costs_no_stack() {
        let text = "[".repeat(200_000) + &"]".repeat(200_000);
        assert_eq!(parse(&text).map(|value| value.shape()), Some(Shape::Array));
        assert!(parse(&"[".repeat(200_000)).is_none());
    }
}
