//! How bytes are written as text: hexadecimal or binary digits, base64, or the text they are.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

/// A way to write bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Two digits a byte.
    Hex,
    /// Eight digits a byte.
    Binary,
    /// The text whose bytes they are.
    Text,
    /// Four characters for three bytes.
    Base64,
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Coding {
    /// Reads the name of a format.
    pub(super) fn parse(name: &str) -> Result<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "binary" => Ok(Self::Binary),
            "utf8" | "utf-8" => Ok(Self::Text),
            "base64" => Ok(Self::Base64),
            _ => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("format \"{name}\" not recognized"),
            )
            .with_hint("Use hex, binary, utf8 or base64")),
        }
    }

    /// Writes bytes.
    pub(super) fn write(self, bytes: &[u8], out: &mut String) -> Result<()> {
        use std::fmt::Write;
        match self {
            Self::Hex => {
                for byte in bytes {
                    let _ = write!(out, "{byte:02x}");
                }
            }
            Self::Binary => {
                for byte in bytes {
                    let _ = write!(out, "{byte:08b}");
                }
            }
            Self::Text => out.push_str(std::str::from_utf8(bytes).map_err(|_| {
                Error::new(
                    SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                    "the bytes are not a text in UTF-8",
                )
                .with_hint("Use the format hex or base64")
            })?),
            Self::Base64 => {
                for part in bytes.chunks(3) {
                    let at = |index: usize| u32::from(part.get(index).copied().unwrap_or_default());
                    let bits = at(0) << 16 | at(1) << 8 | at(2);
                    for place in 0..4 {
                        let digit = (bits >> (18 - 6 * place) & 63) as usize;
                        out.push(match BASE64.get(digit) {
                            Some(character) if place <= part.len() => char::from(*character),
                            _ => '=',
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads bytes.
    pub(super) fn read(self, text: &str) -> Result<Vec<u8>> {
        let wrong = |what: &str| {
            Error::new(
                SqlState::INVALID_TEXT_REPRESENTATION,
                format!("\"{text}\" is not a text of {what}"),
            )
        };
        match self {
            Self::Hex => digits(text, 16, 2).ok_or_else(|| wrong("hexadecimal digits")),
            Self::Binary => digits(text, 2, 8).ok_or_else(|| wrong("binary digits")),
            Self::Text => Ok(text.as_bytes().to_vec()),
            Self::Base64 => base64(text).ok_or_else(|| wrong("base64")),
        }
    }
}

/// Writes bytes as Base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    // Base64 can write all bytes.
    let _ = Coding::Base64.write(bytes, &mut text);
    text
}

/// Digits that are not whole bytes get zeros before them.
fn digits(text: &str, radix: u32, per_byte: usize) -> Option<Vec<u8>> {
    let values: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(radix)).collect();
    let values = values?;
    let first = values.len() % per_byte;
    let (head, tail) = values.split_at(first);
    let byte = |part: &[u32]| {
        let value = part.iter().fold(0, |value, digit| value * radix + digit);
        u8::try_from(value).ok()
    };
    let head = (!head.is_empty()).then(|| byte(head));
    head.into_iter()
        .chain(tail.chunks(per_byte).map(byte))
        .collect()
}

/// Reads Base64; `None` if it is none.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = BASE64.iter().position(|known| *known == byte)?;
        bits = (bits << 6 | u32::try_from(digit).ok()?) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            for coding in [Coding::Hex, Coding::Binary, Coding::Base64] {
                let mut text = String::new();
                coding.write(&bytes, &mut text).unwrap();
                prop_assert_eq!(&coding.read(&text).unwrap(), &bytes, "{:?} {}", coding, text);
            }
        }

        #[test]
        fn no_text_is_too_strange(text in ".*") {
            for coding in [Coding::Hex, Coding::Binary, Coding::Base64, Coding::Text] {
                let _ = coding.read(&text);
            }
        }
    }
}
