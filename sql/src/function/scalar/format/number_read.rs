//! Reads a number from a text by a format.

use super::number_pattern::{Pattern, Piece};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

/// Reads a text; gives the digits of the number with `pattern.after` places after the point.
pub(super) fn read(pattern: &Pattern, text: &str) -> Result<i128> {
    let bad = || {
        Error::new(
            SqlState::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type numeric: \"{text}\""),
        )
        .with_hint("The text must be as the format says")
    };
    let mut number = Number::default();
    let mut rest = text.trim();
    // A sign or bracket may stand on either side of the digits, whatever the format says about its place.
    if let Some(inside) = rest
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
    {
        number.negative = true;
        rest = inside;
    }
    for piece in &pattern.pieces {
        rest = number.take_sign(rest);
        match piece {
            Piece::Nine | Piece::Zero => {
                rest = rest.trim_start();
                rest = number.take_sign(rest);
                let Some(ch) = rest.chars().next() else { break };
                if let Some(digit) = ch.to_digit(10) {
                    number.digit(digit).ok_or_else(bad)?;
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
            Piece::Point => {
                // Digits left before the point belong to the number, though the format has no place for them.
                if rest.starts_with(|ch: char| ch.is_ascii_digit()) {
                    return Err(bad());
                }
                if let Some(after) = rest.strip_prefix('.') {
                    number.after = Some(0);
                    rest = after;
                }
            }
            Piece::Comma => rest = rest.strip_prefix(',').unwrap_or(rest),
            Piece::Currency => rest = rest.trim_start().strip_prefix('$').unwrap_or(rest),
            Piece::Minus | Piece::Plus | Piece::Sign => {}
            Piece::Ordinal(_) => rest = rest.get(2..).unwrap_or_default(),
            Piece::Other(ch) => {
                if rest.starts_with(*ch) || (!ch.is_whitespace() && !starts_number(rest)) {
                    let mut chars = rest.chars();
                    chars.next();
                    rest = chars.as_str();
                }
            }
            Piece::Roman(_) => {
                return Err(Error::unsupported(
                    "\"RN\" in TO_NUMBER",
                    "Read the number another way",
                ));
            }
        }
    }
    rest = number.take_sign(rest.trim_start());
    if number.count == 0 || !rest.trim().is_empty() && !starts_number(rest) && rest != "." {
        return Err(bad());
    }
    let missing = pattern.after.saturating_sub(number.after.unwrap_or(0));
    let mut value = number.value;
    for _ in 0..missing {
        value = value.checked_mul(10).ok_or_else(bad)?;
    }
    Ok(if number.negative { -value } else { value })
}

fn starts_number(text: &str) -> bool {
    text.starts_with(|ch: char| ch.is_ascii_digit() || matches!(ch, '.' | '-' | '+'))
}

#[derive(Default)]
struct Number {
    negative: bool,
    signed: bool,
    value: i128,
    count: usize,
    /// Digits after the point; `None` before it.
    after: Option<usize>,
}

impl Number {
    fn take_sign<'a>(&mut self, rest: &'a str) -> &'a str {
        let after = match rest.strip_prefix('-') {
            Some(after) if !self.signed => {
                self.negative = true;
                after
            }
            _ => match rest.strip_prefix('+') {
                Some(after) if !self.signed => after,
                _ => return rest,
            },
        };
        self.signed = true;
        after
    }

    fn digit(&mut self, digit: u32) -> Option<()> {
        self.value = self.value.checked_mul(10)?.checked_add(digit.into())?;
        self.count += 1;
        if let Some(after) = &mut self.after {
            *after += 1;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::number_pattern::parse;
    use super::read;

    #[test]
    fn numbers_are_read_by_their_format() {
        for (text, format, expected) in [
            ("12,454.8-", "99G999D9S", Some(-124_548)),
            ("$ 12,454.88", "L 99G999D99", Some(1_245_488)),
            ("12.345", "99D999", Some(12_345)),
            ("-34,338,492", "99G999G999", Some(-34_338_492)),
            ("  7", "999", Some(7)),
            ("+0.5", "9D99", Some(50)),
            ("<12>", "99PR", Some(-12)),
            ("abc", "999", None),
            ("", "999", None),
        ] {
            let pattern = parse(format).expect(format);
            assert_eq!(read(&pattern, text).ok(), expected, "{text} {format}");
        }
    }
}
