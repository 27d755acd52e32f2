//! Writes a number by a format, place by place, as PostgreSQL does.

use super::number_pattern::{Anchor, Pattern, Piece};
use super::pattern::{Case, ordinal};

/// How wide a Roman number is shown.
const ROMAN_WIDTH: usize = 15;

/// Appends a number. `digits` are those of its absolute value, rounded to `pattern.after` places after a point, which
/// is there if the format has one.
pub(super) fn write(pattern: &Pattern, negative: bool, digits: &str, out: &mut String) {
    let whole = digits.find('.').unwrap_or(digits.len());
    let overflow: String;
    let number = if whole > pattern.before {
        // The number does not fit: every digit is shown as a hash.
        let hashes = |count: usize| "#".repeat(count);
        overflow = if pattern.has_point {
            format!("{}.{}", hashes(pattern.before), hashes(pattern.after))
        } else {
            hashes(pattern.before)
        };
        overflow.as_str()
    } else {
        digits
    };
    let mut places = Places::new(pattern, negative, number, whole);
    for piece in &pattern.pieces {
        match *piece {
            Piece::Nine => places.digit(false, out),
            Piece::Zero => places.digit(true, out),
            Piece::Point => places.digit(false, out),
            Piece::Comma if places.in_number => out.push(','),
            Piece::Comma => places.blank(out),
            Piece::Currency => out.push('$'),
            Piece::Minus if negative => out.push('-'),
            Piece::Plus if !negative => out.push('+'),
            Piece::Minus | Piece::Plus => places.blank(out),
            Piece::Sign => out.push(if negative { '-' } else { '+' }),
            Piece::Roman(case) => roman(digits, negative, case, pattern.fill, out),
            Piece::Ordinal(case) => {
                if !negative && !pattern.has_point && !number.starts_with('#') {
                    out.push_str(ordinal(digits, case));
                }
            }
            Piece::Other(ch) => out.push(ch),
        }
    }
}

/// The places of a number, from the left.
struct Places<'a> {
    pattern: &'a Pattern,
    negative: bool,
    number: &'a [u8],
    /// The next character of the number.
    next: usize,
    /// The place of the format, from 0.
    place: usize,
    /// Places of the format left of the number.
    blanks: usize,
    /// The last character of the number that FM keeps.
    last: Option<usize>,
    /// The place after which a sign at the end is written.
    end: usize,
    sign_written: bool,
    brackets: bool,
    in_number: bool,
}

impl<'a> Places<'a> {
    fn new(pattern: &'a Pattern, negative: bool, number: &'a str, whole: usize) -> Self {
        let blanks = pattern.before.saturating_sub(whole);
        let sign_written = if pattern.has_minus || pattern.has_plus {
            pattern.has_minus
        } else {
            !negative && pattern.fill && pattern.anchor.is_none()
        };
        let mut last = None;
        if pattern.fill && pattern.has_point {
            let kept = number.trim_end_matches('0');
            let mut keep = kept.len().saturating_sub(1);
            if pattern.zero_end > blanks && pattern.zero_end > pattern.before {
                // The places of the format and of the number differ by the point.
                keep = keep.max(pattern.zero_end - blanks);
            }
            last = Some(keep);
        }
        let mut count = (pattern.before + pattern.after).saturating_sub(1);
        if !sign_written && blanks == 0 {
            count += 1;
        }
        Self {
            pattern,
            negative,
            number: number.as_bytes(),
            next: 0,
            place: 0,
            blanks,
            last,
            end: count + usize::from(blanks > 0) + usize::from(pattern.has_point),
            sign_written,
            brackets: pattern.brackets && (negative || !pattern.fill),
            in_number: false,
        }
    }

    fn blank(&self, out: &mut String) {
        if !self.pattern.fill {
            out.push(' ');
        }
    }

    /// Whether the next digit is the zero of `0.1`, which is a blank under a 9.
    fn is_lone_zero(&self) -> bool {
        self.pattern.zero_start.is_none()
            && self.next == 0
            && self.number.first() == Some(&b'0')
            && self.pattern.after > 0
    }

    /// Whether FM leaves nothing after the point.
    fn ends_at_point(&self) -> bool {
        self.last
            .is_some_and(|last| self.number.get(last) == Some(&b'.'))
    }

    fn sign(&mut self, out: &mut String) {
        let starts = self.place >= self.blanks || self.pattern.zero_start == Some(self.place);
        if self.sign_written || !starts || (self.is_lone_zero() && !self.ends_at_point()) {
            return;
        }
        match self.pattern.anchor {
            Some(Anchor::Before) => {
                out.push(if self.negative { '-' } else { '+' });
                self.sign_written = true;
            }
            Some(Anchor::After) => {}
            None => {
                match (self.brackets, self.negative) {
                    (true, true) => out.push('<'),
                    (false, true) => out.push('-'),
                    (_, false) => self.blank(out),
                }
                self.sign_written = true;
            }
        }
    }

    fn digit(&mut self, zero: bool, out: &mut String) {
        self.sign(out);
        let zeros = self
            .pattern
            .zero_start
            .is_some_and(|start| start <= self.place);
        if self.place < self.blanks {
            if zeros {
                out.push('0');
                self.in_number = true;
            } else {
                self.blank(out);
            }
        } else {
            self.character(zero, out);
            self.next += usize::from(self.next < self.number.len());
        }
        let end = match self.last {
            Some(last) if last == self.next => self.place,
            _ => self.end,
        };
        if self.place + 1 == end {
            if self.sign_written && self.brackets {
                if self.negative {
                    out.push('>');
                } else {
                    self.blank(out);
                }
            } else if self.pattern.anchor == Some(Anchor::After) {
                out.push(if self.negative { '-' } else { '+' });
            }
        }
        self.place += 1;
    }

    fn character(&mut self, zero: bool, out: &mut String) {
        let Some(ch) = self.number.get(self.next).copied() else {
            return;
        };
        if ch == b'.' {
            if !self.ends_at_point() || self.pattern.fill {
                out.push('.');
            }
        } else if self.last.is_some_and(|last| self.next > last) && !zero {
            // FM drops the zeros at the end.
        } else if self.is_lone_zero() {
            if self.ends_at_point() {
                out.push('0');
            } else {
                self.blank(out);
            }
        } else {
            out.push(char::from(ch));
            self.in_number = true;
        }
    }
}

/// Appends a Roman number; those that have none are hashes.
fn roman(digits: &str, negative: bool, case: Case, fill: bool, out: &mut String) {
    const NUMERALS: [(u32, &str); 13] = [
        (1_000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let value = digits
        .split('.')
        .next()
        .and_then(|whole| whole.parse::<u32>().ok());
    let mut text = String::new();
    match value.filter(|value| !negative && (1..4_000).contains(value)) {
        None => text.push_str(&"#".repeat(ROMAN_WIDTH)),
        Some(mut value) => {
            for (worth, numeral) in NUMERALS {
                while value >= worth {
                    text.push_str(numeral);
                    value -= worth;
                }
            }
        }
    }
    if case == Case::Lower {
        text.make_ascii_lowercase();
    }
    if !fill {
        out.extend(std::iter::repeat_n(
            ' ',
            ROMAN_WIDTH.saturating_sub(text.len()),
        ));
    }
    out.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::super::number_pattern::parse;
    use super::write;

    #[test]
    fn numbers_are_written_as_postgresql_writes_them() {
        for (format, negative, digits, expected) in [
            ("999", false, "5", "   5"),
            ("999", true, "5", "  -5"),
            ("999", false, "1234", " ###"),
            ("0999", false, "5", " 0005"),
            ("999D99S", true, "125.80", "125.80-"),
            ("$S999D99", true, "125.88", "$-125.88"),
            ("$999D99PR", true, "125.88", "$<125.88>"),
            ("999PR", false, "485", " 485 "),
            ("l99999D99", false, "618.80", "$   618.80"),
            ("99.99", false, "0.10", "   .10"),
            ("FM99.99", false, "0.10", ".1"),
            ("FM99.99", false, "12.00", "12."),
            ("FM990.00", false, "0.00", "0.00"),
            ("FM9990.0099", false, "12.3400", "12.34"),
            ("9,999,999", false, "1485", "     1,485"),
            ("FM9,999,999", false, "1485", "1,485"),
            ("999G999D99", false, "148.50", "     148.50"),
            ("MI999", true, "485", "-485"),
            ("999MI", true, "485", "485-"),
            ("999MI", false, "485", "485 "),
            ("PL999", false, "485", "+ 485"),
            ("SG999", true, "485", "-485"),
            ("9SG99", true, "485", "4-85"),
            ("RN", false, "485", "        CDLXXXV"),
            ("FMrn", false, "485", "cdlxxxv"),
            ("999th", false, "482", " 482nd"),
            ("S999", false, "12", " +12"),
            ("999S", true, "12", " 12-"),
            ("\"Good number:\"999", false, "485", "Good number: 485"),
        ] {
            let mut out = String::new();
            write(&parse(format).expect(format), negative, digits, &mut out);
            assert_eq!(out, expected, "{format} {digits}");
        }
    }
}
