//! Finds the rows and fields of plain text: every delimiter ends a field, every newline a row.
//!
//! Separators are found first, without looking at rows. In almost every file all rows have equally many, and then their
//! places are the index; else the rows are gone through one by one.

use super::problem::Problem;
use super::{Dialect, Fields, Line, separators, without_return};

/// Indexes rows at the beginning of `bytes`, until `rows_max` lines, good or bad, are found or the bytes end. Gives where
/// to go on. A delimiter right before the newline does not begin another field, as in the files of many generators.
pub fn index(bytes: &[u8], dialect: &Dialect, rows_max: usize, fields: &mut Fields) -> usize {
    fields.clear();
    let found = separators::find(bytes, dialect.delimiter, rows_max.max(1), &mut fields.cuts);
    let (mut count, mut rows) = (found.count, found.newlines);
    // The end of the bytes ends the last row, if no newline does.
    if found.consumed == bytes.len() && bytes.last().is_some_and(|byte| *byte != b'\n') {
        count += 1;
        rows += 1;
        if let Some(end) = fields.cuts.get_mut(count) {
            *end = bytes.len() as u32;
        }
    }
    if let Some(before) = fields.cuts.first_mut() {
        *before = u32::MAX;
    }
    let cuts = fields.cuts.get(..=count).unwrap_or_default();
    let stride = count.checked_div(rows).unwrap_or(0);
    if stride * rows == count && are_alike(bytes, cuts, stride, dialect) {
        fields.stride = stride;
        fields.rows = rows;
    } else {
        std::mem::swap(&mut fields.found, &mut fields.cuts);
        each_row(bytes, count, dialect, fields);
    }
    found.consumed
}

/// Tells whether all rows are good and have `stride` separators each, whose places need no change. As many newlines as
/// rows were counted, so all are known once each row is seen to end with one.
fn are_alike(bytes: &[u8], cuts: &[u32], stride: usize, dialect: &Dialect) -> bool {
    let count = dialect.field_count;
    let rows = cuts
        .get(1..)
        .unwrap_or_default()
        .chunks_exact(stride.max(1));
    let is_newline = |end: usize| bytes.get(end).is_none_or(|byte| *byte == b'\n');
    if stride == count {
        let may_be_blank = count == 1 && dialect.ignore_blank_lines;
        let mut rows = rows.filter_map(|row| row.last());
        return !may_be_blank
            && rows.all(|end| {
                let end = *end as usize;
                // A carriage return would be taken for a part of the last field.
                is_newline(end) && (end == 0 || bytes.get(end - 1) != Some(&b'\r'))
            });
    }
    let mut ends = rows.filter_map(|row| row.last_chunk());
    stride == count + 1
        && ends.all(|&[last, end]| {
            let (last, end) = (last as usize, end as usize);
            is_newline(end) && last + 1 == without_return(bytes, last + 1, end)
        })
}

/// Puts the cuts of good rows one behind the other, and reports the rest.
#[cold]
fn each_row(bytes: &[u8], count: usize, dialect: &Dialect, fields: &mut Fields) {
    let field_count = dialect.field_count;
    let Fields {
        found, cuts, bad, ..
    } = fields;
    cuts.clear();
    let mut rows = 0;
    let mut start = 0;
    let mut row_begin = 1;
    for place in 1..=count {
        let cut = found.get(place).map_or(0, |cut| *cut as usize);
        if bytes.get(cut).is_some_and(|byte| *byte != b'\n') {
            continue;
        }
        let row = found.get(row_begin..place).unwrap_or_default();
        let end = without_return(bytes, start, cut);
        let is_blank = end == start;
        let trailing =
            row.len() == field_count && row.last().is_some_and(|last| *last as usize + 1 == end);
        let is_ignored = is_blank && dialect.ignore_blank_lines;
        if !is_ignored && (row.len() + 1 == field_count || trailing) {
            cuts.push((start as u32).wrapping_sub(1));
            cuts.extend_from_slice(row);
            // The last field ends with the row, or at the delimiter that trails.
            if !trailing {
                cuts.push(end as u32);
            }
            rows += 1;
        } else if !is_ignored {
            let line = Line {
                start: start as u32,
                end: end as u32,
            };
            let problem = match row.len() >= field_count {
                true => Problem::ExtraColumns,
                false => Problem::MissingColumns,
            };
            bad.push((line, problem));
        }
        start = cut + 1;
        row_begin = place + 1;
    }
    fields.rows = rows;
    fields.stride = field_count + 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dialect(field_count: usize) -> Dialect {
        Dialect {
            delimiter: b'|',
            quote: None,
            quote_escape: None,
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
        let (mut good, mut bad) = Found::default();
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut fields = Fields::default();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += index(rest, &dialect(count), rows_max, &mut fields);
            for row in 0..fields.rows {
                let field = |column| {
                    let (start, end) = fields.place(row, column).expect("a field");
                    rest[start..end].to_vec()
                };
                good.push((0..count).map(field).collect());
                let line = fields.line(row, count, rest).expect("a line");
                lines.push(rest[line.start as usize..line.end as usize].to_vec());
            }
            let line = |line: &Line| rest[line.start as usize..line.end as usize].to_vec();
            bad.extend(
                fields
                    .bad
                    .iter()
                    .map(|(place, problem)| (line(place), *problem)),
            );
        }
        for (line, row) in lines.iter().zip(&good) {
            let joined = row.join(&b'|');
            assert!(*line == joined || line.strip_suffix(b"|") == Some(&joined));
        }
        (good, bad)
    }

    proptest! {
        #[test]
        fn agrees_with_splitting(text in "[ab|\r\n\u{e4}]{0,200}", count in 1_usize..5, rows_max in 1_usize..9) {
            let found = fast(text.as_bytes(), count, rows_max);
            prop_assert_eq!(found, naive(text.as_bytes(), count));
        }

        #[test]
        fn rows_that_are_alike_agree_with_splitting(
            rows in prop::collection::vec("[ab]?\\|[ab]{0,9}\\|[ab\r]{0,9}", 0..60),
            end in prop::sample::select(vec!["\n", "|\n", "\r\n", "|\r\n"]),
            rows_max in 1_usize..90,
        ) {
            let text = rows.iter().flat_map(|row| [row.as_str(), end]).collect::<String>();
            prop_assert_eq!(fast(text.as_bytes(), 3, rows_max), naive(text.as_bytes(), 3));
        }
    }
}
