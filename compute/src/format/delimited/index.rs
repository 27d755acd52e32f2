//! Finds the fields of plain text: every delimiter ends a field, every newline a row. Eight bytes at a step.

use super::problem::Problem;
use super::{Dialect, Fields, Line};

const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// Sets the high bit of every byte of `word` that equals the byte repeated in `pattern`; exact.
fn equal_bytes(word: u64, pattern: u64) -> u64 {
    let apart = word ^ pattern;
    !(((apart & LOW_BITS) + LOW_BITS) | apart | LOW_BITS)
}

fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// What is known of the row being read.
struct Row {
    start: usize,
    field_start: usize,
    /// Fields ended so far, in this row.
    ended: usize,
    too_many: bool,
}

/// Indexes rows of `bytes` from `at` on, until `rows_max` rows, good or bad, are found or the bytes end. Gives where to go on.
/// A delimiter right before the newline does not begin another field, as in the files of many generators.
pub fn index(
    bytes: &[u8],
    at: usize,
    dialect: &Dialect,
    rows_max: usize,
    fields: &mut Fields,
) -> usize {
    let mut row = Row {
        start: at,
        field_start: at,
        ended: 0,
        too_many: false,
    };
    let delimiters = repeat(dialect.delimiter);
    let newlines = repeat(b'\n');
    let mut base = at;
    let tail = bytes.get(at..).unwrap_or_default();
    let mut words = tail.chunks_exact(8);
    for chunk in words.by_ref() {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        let word = u64::from_le_bytes(eight);
        let newline_bits = equal_bytes(word, newlines);
        let mut bits = equal_bytes(word, delimiters) | newline_bits;
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            let place = base + (bits.trailing_zeros() / 8) as usize;
            bits ^= bit;
            if newline_bits & bit == 0 {
                end_field(&mut row, place, dialect.field_count, fields);
            } else {
                end_row(&mut row, bytes, place, dialect, fields);
                if fields.found() >= rows_max {
                    return place + 1;
                }
            }
        }
        base += 8;
    }
    for (step, &byte) in words.remainder().iter().enumerate() {
        let place = base + step;
        if byte == dialect.delimiter {
            end_field(&mut row, place, dialect.field_count, fields);
        } else if byte == b'\n' {
            end_row(&mut row, bytes, place, dialect, fields);
            if fields.found() >= rows_max {
                return place + 1;
            }
        }
    }
    if row.start < bytes.len() {
        end_row(&mut row, bytes, bytes.len(), dialect, fields);
    }
    bytes.len()
}

#[inline]
fn end_field(row: &mut Row, place: usize, field_count: usize, fields: &mut Fields) {
    if row.ended < field_count {
        fields.starts.push(row.field_start as u32);
        fields.ends.push(place as u32);
    } else {
        row.too_many = true;
    }
    row.ended += 1;
    row.field_start = place + 1;
}

#[inline]
fn end_row(row: &mut Row, bytes: &[u8], newline: usize, dialect: &Dialect, fields: &mut Fields) {
    let mut end = newline;
    if end > row.start && bytes.get(end - 1) == Some(&b'\r') {
        end -= 1;
    }
    let line = Line {
        start: row.start as u32,
        end: end as u32,
    };
    let count = dialect.field_count;
    let trailing = row.ended == count && row.field_start == end && !row.too_many;
    if row.ended + 1 == count {
        fields.starts.push(row.field_start.min(end) as u32);
        fields.ends.push(end as u32);
        fields.lines.push(line);
        // A row of one empty field is a blank line too.
        if count == 1 && end == row.start && dialect.ignore_blank_lines {
            fields.starts.pop();
            fields.ends.pop();
            fields.lines.pop();
        }
    } else if trailing {
        fields.lines.push(line);
    } else {
        let kept = fields.lines.len() * count;
        fields.starts.truncate(kept);
        fields.ends.truncate(kept);
        let blank = end == row.start;
        if !(blank && dialect.ignore_blank_lines) {
            let problem = if row.ended >= count {
                Problem::ExtraColumns
            } else {
                Problem::MissingColumns
            };
            fields.bad.push((line, problem));
        }
    }
    *row = Row {
        start: newline + 1,
        field_start: newline + 1,
        ended: 0,
        too_many: false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dialect(field_count: usize) -> Dialect {
        Dialect {
            delimiter: b'|',
            quote: None,
            escape: false,
            remove_quotes: false,
            null_as: b"\\N".to_vec(),
            field_count,
            fill_record: false,
            ignore_blank_lines: false,
        }
    }

    type Found = (Vec<Vec<Vec<u8>>>, Vec<(Vec<u8>, Problem)>);

    fn naive(bytes: &[u8], count: usize) -> Found {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        for line in lines {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let mut parts: Vec<Vec<u8>> = line
                .split(|byte| *byte == b'|')
                .map(<[u8]>::to_vec)
                .collect();
            if parts.len() == count + 1 && parts.last().is_some_and(Vec::is_empty) {
                parts.pop();
            }
            match parts.len() {
                found if found == count => good.push(parts),
                found if found > count => bad.push((line.to_vec(), Problem::ExtraColumns)),
                _ => bad.push((line.to_vec(), Problem::MissingColumns)),
            }
        }
        (good, bad)
    }

    fn fast(bytes: &[u8], count: usize, rows_max: usize) -> Found {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let mut fields = Fields::default();
        let mut at = 0;
        while at < bytes.len() {
            fields.clear();
            at = index(bytes, at, &dialect(count), rows_max, &mut fields);
            for row in 0..fields.row_count() {
                let place = |column| row * count + column;
                let field = |column| {
                    bytes
                        [fields.starts[place(column)] as usize..fields.ends[place(column)] as usize]
                        .to_vec()
                };
                good.push((0..count).map(field).collect());
            }
            let line = |line: &Line| bytes[line.start as usize..line.end as usize].to_vec();
            bad.extend(
                fields
                    .bad
                    .iter()
                    .map(|(place, problem)| (line(place), *problem)),
            );
        }
        (good, bad)
    }

    proptest! {
        #[test]
        fn agrees_with_splitting(text in "[ab|\r\n\u{e4}]{0,200}", count in 1_usize..5, rows_max in 1_usize..9) {
            let found = fast(text.as_bytes(), count, rows_max);
            prop_assert_eq!(found, naive(text.as_bytes(), count));
        }
    }

    #[test]
    fn exact_for_every_pair_of_bytes() {
        for byte in 0..=255_u8 {
            let word = u64::from_le_bytes([byte, 10, byte, 124, 0, 255, 11, byte]);
            for needle in [10_u8, 124, byte] {
                let expected = word
                    .to_le_bytes()
                    .map(|each| if each == needle { 0x80 } else { 0 });
                assert_eq!(
                    equal_bytes(word, repeat(needle)),
                    u64::from_le_bytes(expected)
                );
            }
        }
    }
}
