//! Passes over JSON values and checks them, without building anything and without recursion.
//!
//! Strings may hold tabs and the like, as in many files, but no line breaks: see [`super::skim`].

/// What a value is, as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not there, or `null`.
    Null,
    /// A number, `true` or `false`.
    Plain,
    /// A string as it stands between its quotes.
    String,
    /// A string with escapes.
    Escaped,
    /// An object or an array.
    Nested,
}

/// Gives the place of the next byte that is no blank.
#[inline(always)]
pub(super) fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Gives the place of the next quote, backslash or newline, or the end.
#[inline(always)]
pub(super) fn special(bytes: &[u8], from: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    // The lowest bit set is exact: a borrow only reaches bytes above one that is equal.
    let equal = |word: u64, byte: u8| {
        let apart = word ^ (LOW * u64::from(byte));
        apart.wrapping_sub(LOW) & !apart & HIGH
    };
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let found = equal(word, b'"') | equal(word, b'\\') | equal(word, b'\n');
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | b'\n') {
            break;
        }
        at += 1;
    }
    at
}

/// Gives the end of the string whose quote stands at `at`, and whether it has escapes.
#[inline(always)]
pub(super) fn string(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let end = special(bytes, at + 1);
    match bytes.get(end) {
        Some(b'"') => Some((end + 1, false)),
        Some(b'\\') => Some((escaped(bytes, end)?, true)),
        _ => None,
    }
}

/// Gives the end of a string from its first backslash on.
fn escaped(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'u' => {
                    let digits = bytes.get(at + 2..at + 6)?;
                    digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                    at += 6;
                }
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            _ => return None,
        }
        at = special(bytes, at);
    }
}

/// Gives the end of a key and its colon: where its value begins; and the key's place with its quotes, and whether it
/// has escapes.
#[inline(always)]
pub(super) fn key(bytes: &[u8], at: usize) -> Option<(usize, usize, bool)> {
    let (end, has_escapes) = string(bytes, at)?;
    let colon = blanks(bytes, end);
    (bytes.get(colon) == Some(&b':')).then(|| (blanks(bytes, colon + 1), end, has_escapes))
}

/// Gives the end of the value that begins at `at`, and what it is; `None` if it is no value.
#[inline(always)]
pub(super) fn value(bytes: &[u8], at: usize) -> Option<(usize, Shape)> {
    match bytes.get(at)? {
        b'"' => {
            let (end, has_escapes) = string(bytes, at)?;
            let shape = match has_escapes {
                true => Shape::Escaped,
                false => Shape::String,
            };
            Some((end, shape))
        }
        b'{' | b'[' => Some((nested(bytes, at)?, Shape::Nested)),
        b'n' => word(bytes, at, b"null", Shape::Null),
        b't' => word(bytes, at, b"true", Shape::Plain),
        b'f' => word(bytes, at, b"false", Shape::Plain),
        _ => Some((number(bytes, at)?, Shape::Plain)),
    }
}

fn word(bytes: &[u8], at: usize, word: &[u8], shape: Shape) -> Option<(usize, Shape)> {
    bytes
        .get(at..)?
        .starts_with(word)
        .then_some((at + word.len(), shape))
}

fn number(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = |from: usize| {
        let mut at = from;
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

/// The brackets that are open: a bit each, set for an object.
#[derive(Default)]
struct Open {
    bits: u64,
    depth: usize,
    /// Bits of the levels before, 64 each.
    full: Vec<u64>,
}

impl Open {
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.full.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.full.pop().unwrap_or_default();
        }
    }

    fn is_object(&self) -> bool {
        self.bits & 1 == 1
    }
}

/// Gives the end of the object or array that begins at `start`.
fn nested(bytes: &[u8], start: usize) -> Option<usize> {
    let mut open = Open::default();
    let mut at = start;
    loop {
        // A value starts here.
        match bytes.get(at)? {
            bracket @ (b'{' | b'[') => {
                let is_object = *bracket == b'{';
                at = blanks(bytes, at + 1);
                if bytes.get(at) == Some(&closing(is_object)) {
                    at += 1;
                } else {
                    open.push(is_object);
                    if is_object {
                        at = key(bytes, at)?.0;
                    }
                    continue;
                }
            }
            _ => at = value(bytes, at)?.0,
        }
        // A value ended: close what ends with it.
        loop {
            if open.depth == 0 {
                return Some(at);
            }
            at = blanks(bytes, at);
            match bytes.get(at)? {
                b',' => {
                    at = blanks(bytes, at + 1);
                    if open.is_object() {
                        at = key(bytes, at)?.0;
                    }
                    break;
                }
                byte if *byte == closing(open.is_object()) => {
                    open.pop();
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

fn closing(is_object: bool) -> u8 {
    match is_object {
        true => b'}',
        false => b']',
    }
}

/// Appends what a string with escapes means. Halves of a pair that stand alone are written as the three bytes they would
/// have, which are not UTF-8, so that they are found where text is checked.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte != b'\\' {
            let rest = text.get(at..).unwrap_or_default();
            let end = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            out.extend_from_slice(rest.get(..end).unwrap_or_default());
            at += end;
            continue;
        }
        let Some(escape) = text.get(at + 1) else {
            return;
        };
        at += 2;
        match escape {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => {
                let mut unit = code_unit(text, at);
                at += 4;
                if (0xd800..0xdc00).contains(&unit)
                    && text.get(at..at + 2) == Some(b"\\u".as_slice())
                    && (0xdc00..0xe000).contains(&code_unit(text, at + 2))
                {
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (code_unit(text, at + 2) - 0xdc00);
                    at += 6;
                }
                push_code(unit, out);
            }
            other => out.push(*other),
        }
    }
}

/// Reads four hexadecimal digits.
fn code_unit(text: &[u8], at: usize) -> u32 {
    let digits = text.get(at..at + 4).unwrap_or_default();
    digits.iter().fold(0, |code, digit| {
        code << 4 | char::from(*digit).to_digit(16).unwrap_or_default()
    })
}

/// Appends a code point in UTF-8, or half of a pair in the way it would be.
pub(in crate::format) fn push_code(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(character) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        None => out.extend_from_slice(&[
            0xe0 | (code >> 12) as u8 & 0x0f,
            0x80 | (code >> 6) as u8 & 0x3f,
            0x80 | code as u8 & 0x3f,
        ]),
    }
}

/// Appends an object or an array as one line: line breaks between its parts are left out, with the blanks around them.
/// Source: the examples of Redshift's guide, where blanks within a line stay.
pub(super) fn write_line(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = string(text, at).map_or(text.len(), |(end, _)| end);
                out.extend_from_slice(text.get(at..end).unwrap_or_default());
                at = end;
            }
            b' ' | b'\t' | b'\n' | b'\r' => {
                let end = blanks(text, at);
                let between = text.get(at..end).unwrap_or_default();
                if !between.contains(&b'\n') && !between.contains(&b'\r') {
                    out.extend_from_slice(between);
                }
                at = end;
            }
            other => {
                out.push(*other);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_another_parser(text in "[\\[\\]{}:,\"a\\\\u0-9.+ tn-]{0,24}") {
            let other: Result<serde_json::Value, _> = serde_json::from_str(&text);
            let bytes = text.as_bytes();
            let found = value(bytes, blanks(bytes, 0)).filter(|(end, _)| blanks(bytes, *end) == bytes.len());
            prop_assert_eq!(found.is_some(), other.is_ok(), "{}", text);
        }

        #[test]
        fn strings_mean_what_another_parser_says(text in ".{0,20}", ascii in any::<bool>()) {
            let mut quoted = serde_json::to_string(&text).expect("JSON");
            if ascii {
                let units = |character: char| {
                    let mut buffer = [0; 2];
                    let units = character.encode_utf16(&mut buffer).iter();
                    units.map(|unit| format!("\\u{unit:04x}")).collect::<String>()
                };
                quoted = format!("\"{}\"", text.chars().map(units).collect::<String>());
            }
            let (end, _) = string(quoted.as_bytes(), 0).expect("a string");
            prop_assert_eq!(end, quoted.len());
            let mut out = Vec::new();
            unescape(&quoted.as_bytes()[1..end - 1], &mut out);
            prop_assert_eq!(out, text.into_bytes());
        }

        #[test]
        fn special_is_exact(text in "[\"\\\\\n!#\\[\\]a\u{b}\u{e4}]{0,30}") {
            let bytes = text.as_bytes();
            let naive = bytes.iter().position(|byte| b"\"\\\n".contains(byte));
            prop_assert_eq!(special(bytes, 0), naive.unwrap_or(bytes.len()));
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        for depth in [1, 63, 64, 65, 128, 200_000] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(value(text.as_bytes(), 0), Some((2 * depth, Shape::Nested)));
            let text = "{\"a\":[".repeat(depth) + &"]}".repeat(depth);
            assert_eq!(value(text.as_bytes(), 0), Some((8 * depth, Shape::Nested)));
            assert_eq!(value("[".repeat(depth).as_bytes(), 0), None);
        }
    }

    #[test]
    fn half_a_pair_is_no_text() {
        let mut out = Vec::new();
        unescape(b"a\\ud800\\u0041", &mut out);
        assert_eq!(out, b"a\xed\xa0\x80A");
    }

    #[test]
    fn nested_values_become_one_line() {
        let mut out = Vec::new();
        write_line(
            b"{\r\n  \"id\": 1,\n  \"n\": [ 2,\n3 ], \"s\":\" a \"\n}",
            &mut out,
        );
        assert_eq!(out, b"{\"id\": 1,\"n\": [ 2,3 ], \"s\":\" a \"}");
    }
}
