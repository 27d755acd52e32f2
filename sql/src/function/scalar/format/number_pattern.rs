//! The words of a number format, cut once per batch. The rules are PostgreSQL's.

use super::pattern::Case;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

/// A piece of a number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Nine,
    Zero,
    /// `.` or D.
    Point,
    /// `,` or G.
    Comma,
    /// L, the currency symbol.
    Currency,
    Minus,
    Plus,
    /// SG: the sign itself.
    Sign,
    Roman(Case),
    Ordinal(Case),
    Other(char),
}

/// Where S puts the sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Before,
    After,
}

/// A format of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    pub(super) pieces: Vec<Piece>,
    /// Digits before the point.
    pub(super) before: usize,
    /// Digits after the point.
    pub(super) after: usize,
    /// V: digits by which the number is shifted.
    pub(super) shift: usize,
    /// FM.
    pub(super) fill: bool,
    /// Where the first 0 stands, from 0.
    pub(super) zero_start: Option<usize>,
    /// Where the last 0 stands, from 1.
    pub(super) zero_end: usize,
    pub(super) has_point: bool,
    /// S.
    pub(super) anchor: Option<Anchor>,
    pub(super) has_minus: bool,
    pub(super) has_plus: bool,
    /// PR: negative numbers in angle brackets.
    pub(super) brackets: bool,
    pub(super) roman: bool,
}

fn wrong(message: &str) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message)
        .with_hint("The words of a number format are 9 0 . , D G L S MI PL SG PR RN TH V FM")
}

/// Cuts a format into pieces.
pub(super) fn parse(format: &str) -> Result<Pattern> {
    let mut pattern = Pattern::default();
    let mut rest = format;
    let mut digits_before_sign = None;
    let mut shifting = false;
    while let Some(ch) = rest.chars().next() {
        let two = rest.get(..2).map(str::to_ascii_uppercase);
        let lower = rest.starts_with(|ch: char| ch.is_ascii_lowercase());
        let case = if lower { Case::Lower } else { Case::Upper };
        let known = match two.as_deref() {
            Some("FM") => {
                pattern.fill = true;
                true
            }
            Some("MI") => {
                pattern.has_minus = true;
                pattern.pieces.push(Piece::Minus);
                true
            }
            Some("PL") => {
                pattern.has_plus = true;
                pattern.pieces.push(Piece::Plus);
                true
            }
            Some("SG") => {
                pattern.has_minus = true;
                pattern.has_plus = true;
                pattern.pieces.push(Piece::Sign);
                true
            }
            Some("PR") => {
                pattern.brackets = true;
                true
            }
            Some("RN") => {
                pattern.roman = true;
                pattern.pieces.push(Piece::Roman(case));
                true
            }
            Some("TH") => {
                pattern.pieces.push(Piece::Ordinal(case));
                true
            }
            _ => false,
        };
        if known {
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        rest = rest.get(ch.len_utf8()..).unwrap_or_default();
        match ch {
            '0' | '9' => {
                if pattern.brackets {
                    return Err(wrong("\"9\" must be ahead of \"PR\""));
                }
                if shifting {
                    pattern.shift += 1;
                } else if pattern.has_point {
                    pattern.after += 1;
                } else {
                    pattern.before += 1;
                }
                if ch == '0' {
                    let place = pattern.before.saturating_sub(1);
                    if !pattern.has_point {
                        pattern.zero_start.get_or_insert(place);
                    }
                    pattern.zero_end = pattern.before + pattern.after;
                }
                let piece = if ch == '0' { Piece::Zero } else { Piece::Nine };
                pattern.pieces.push(piece);
            }
            '.' | 'D' | 'd' => {
                if pattern.has_point || shifting {
                    return Err(wrong("multiple decimal points"));
                }
                pattern.has_point = true;
                pattern.pieces.push(Piece::Point);
            }
            ',' | 'G' | 'g' => pattern.pieces.push(Piece::Comma),
            'L' | 'l' => pattern.pieces.push(Piece::Currency),
            'S' | 's' => {
                if pattern.anchor.is_some() {
                    return Err(wrong("cannot use \"S\" twice"));
                }
                let after = pattern.has_point;
                pattern.anchor = Some(if after { Anchor::After } else { Anchor::Before });
                digits_before_sign = Some(pattern.before);
            }
            'V' | 'v' => {
                if pattern.has_point {
                    return Err(wrong("cannot use \"V\" and decimal point together"));
                }
                shifting = true;
            }
            '"' => {
                let (quoted, after) = rest.split_once('"').unwrap_or((rest, ""));
                pattern.pieces.extend(quoted.chars().map(Piece::Other));
                rest = after;
            }
            ch => pattern.pieces.push(Piece::Other(ch)),
        }
    }
    if pattern.anchor.is_some() && (pattern.has_minus || pattern.has_plus || pattern.brackets) {
        return Err(wrong(
            "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together",
        ));
    }
    // S behind all digits is the sign at the end.
    if digits_before_sign == Some(pattern.before) && pattern.before > 0 {
        pattern.anchor = Some(Anchor::After);
    }
    pattern.before += pattern.shift;
    Ok(pattern)
}
