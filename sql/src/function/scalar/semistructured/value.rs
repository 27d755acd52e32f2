//! A SUPER as the JSON text it is kept as: its kind, its elements, how values become one.

use crate::error::{Error, Result};
use crate::function::scalar::json::scan::Value;
use crate::sqlstate::SqlState;
use std::fmt::Write;

/// Looks at a JSON text as a value. The text is taken for valid; of one that is not, less is found.
pub(in crate::function) fn of(text: &str) -> Value<'_> {
    Value { text: text.trim() }
}

/// Gives the kind of a value, as JSON_TYPEOF names it.
pub(super) fn kind(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'[') => "array",
        Some(b'{') => "object",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') | None => "null",
        _ => "number",
    }
}

/// Tells whether a value is of one of the kinds.
pub(super) fn is_kind(text: &str, kinds: &[&str]) -> bool {
    kinds.contains(&kind(text))
}

/// Gives the elements of an array; an error names the function that wants one.
pub(super) fn elements<'a>(
    function: &str,
    text: &'a str,
) -> Result<impl Iterator<Item = &'a str> + use<'a>> {
    if kind(text) != "array" {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("{function}: the value is not an array"),
        )
        .with_hint("Test the value with IS_ARRAY"));
    }
    Ok(of(text).members().map(|(_, value)| value.text))
}

/// Writes an array of JSON texts.
pub(super) fn write_array<'a>(elements: impl Iterator<Item = &'a str>, out: &mut String) {
    out.push('[');
    for (index, element) in elements.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(element);
    }
    out.push(']');
}

/// Writes a text in quotes.
pub(in crate::function) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Writes a JSON text without the blanks between its parts.
pub(in crate::function) fn compact(text: &str, out: &mut String) {
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        if quoted {
            out.push(character);
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
        } else if !character.is_ascii_whitespace() {
            quoted = character == '"';
            out.push(character);
        }
    }
}

/// The digits of a decimal, all and those after its point; `None` of anything else.
pub(super) fn decimal_digits(text: &str) -> Option<(i32, i32)> {
    let text = text.trim();
    if kind(text) != "number" || text.contains(['e', 'E']) {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches(['-', '+', '0']);
    let scale = i32::try_from(fraction.len()).ok()?;
    let precision = i32::try_from(whole.len()).ok()?.checked_add(scale)?;
    Some((precision.max(1), scale))
}

/// Writes a value with other names of its attributes, at any depth. A text in quotes before a colon is a name.
pub(super) fn with_names(text: &str, rename: impl Fn(&str, &mut String), out: &mut String) {
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (before, quoted) = rest.split_at(start);
        out.push_str(before);
        let mut escaped = false;
        let end = quoted.char_indices().skip(1).find(|(_, character)| {
            let ends = !escaped && *character == '"';
            escaped = !escaped && *character == '\\';
            ends
        });
        let (string, after) = quoted.split_at(end.map_or(quoted.len(), |(place, _)| place + 1));
        match after.trim_start().starts_with(':') {
            true => {
                let mut name = String::new();
                let mut renamed = String::new();
                of(string).write(&mut name);
                rename(&name, &mut renamed);
                quote(&renamed, out);
            }
            false => out.push_str(string),
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::scalar::json::scan::parse;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quoted_text_is_json_and_reads_back(text in ".*") {
            let mut quoted = String::new();
            quote(&text, &mut quoted);
            prop_assert!(parse(&quoted).is_some());
            let mut back = String::new();
            of(&quoted).write(&mut back);
            prop_assert_eq!(back, text);
        }
    }
}
