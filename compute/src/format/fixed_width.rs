//! Lines whose fields have fixed widths, counted in characters of UTF-8.
//!
//! The last field may be shorter than its width, as editors cut blanks off. Blanks around a number or a date mean nothing;
//! those of a text are its own.

use super::delimited::problem::Problem;
use super::delimited::{Fields, Line};

/// How lines are cut.
#[derive(Clone, Debug)]
pub struct FixedWidth {
    /// Characters of each field, at least one each.
    pub widths: Vec<usize>,
    /// The field that means null, whatever blanks follow it.
    pub null_as: Vec<u8>,
    /// Whether fields lose a pair of quotes around them, and the blanks behind it.
    pub remove_quotes: bool,
    /// Whether missing fields at the end are filled.
    pub fill_record: bool,
    /// Whether empty lines are passed over.
    pub ignore_blank_lines: bool,
}

/// Reads rows of `bytes` until `rows_max` of them, good or bad, are found or the bytes end; appends the fields' bytes to
/// `rewritten`. Gives where to go on.
pub fn read(
    bytes: &[u8],
    rules: &FixedWidth,
    rows_max: usize,
    rewritten: &mut Vec<u8>,
    fields: &mut Fields,
) -> usize {
    fields.stride = rules.widths.len();
    fields.cuts.clear();
    fields.cuts.push((rewritten.len() as u32).wrapping_sub(1));
    let mut at = 0;
    while at < bytes.len() && fields.found() < rows_max {
        let rest = bytes.get(at..).unwrap_or_default();
        let newline = memchr::memchr(b'\n', rest);
        let text = rest
            .get(..newline.unwrap_or(rest.len()))
            .unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line = Line {
            start: at as u32,
            end: (at + text.len()) as u32,
        };
        at += newline.map_or(rest.len(), |newline| newline + 1);
        if text.is_empty() && rules.ignore_blank_lines {
            continue;
        }
        let (begin, cuts) = (rewritten.len(), fields.cuts.len());
        match cut(text, rules, rewritten, &mut fields.cuts) {
            Ok(()) => {
                fields.lines.push(line);
                fields.rows += 1;
            }
            Err(problem) => {
                rewritten.truncate(begin);
                fields.cuts.truncate(cuts);
                fields.bad.push((line, problem));
            }
        }
    }
    at
}

/// Cuts one line into its fields.
fn cut(
    line: &[u8],
    rules: &FixedWidth,
    rewritten: &mut Vec<u8>,
    cuts: &mut Vec<u32>,
) -> Result<(), Problem> {
    let is_ascii = line.is_ascii();
    let mut rest = line;
    for (place, width) in rules.widths.iter().enumerate() {
        let is_missing = rest.is_empty() && (place > 0 || line.is_empty());
        if is_missing && (line.is_empty() || !rules.fill_record) {
            return Err(Problem::FewColumns);
        }
        let end = match is_ascii {
            true => rest.len().min(*width),
            false => characters_end(rest, *width),
        };
        let (field, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rewritten.extend_from_slice(value(field, rules)?);
        cuts.push(rewritten.len() as u32);
        rewritten.push(b'\n');
        rest = behind;
    }
    match rest.iter().all(|byte| *byte == b' ') {
        true => Ok(()),
        false => Err(Problem::ExtraColumns),
    }
}

/// Gives the place behind a number of characters. A byte that begins no character and is in none counts as one.
fn characters_end(bytes: &[u8], characters: usize) -> usize {
    let starts = (0..bytes.len()).filter(|at| !matches!(bytes.get(*at), Some(0x80..=0xbf)));
    { starts }.nth(characters).unwrap_or(bytes.len())
}

/// Gives what a field says.
fn value<'a>(field: &'a [u8], rules: &'a FixedWidth) -> Result<&'a [u8], Problem> {
    let last = field.iter().rposition(|byte| *byte != b' ');
    let trimmed = field
        .get(..last.map_or(0, |last| last + 1))
        .unwrap_or_default();
    if trimmed == rules.null_as && !trimmed.is_empty() {
        return Ok(&rules.null_as);
    }
    if rules.remove_quotes
        && let [quote @ (b'"' | b'\''), inside @ ..] = trimmed
    {
        let inside = inside.strip_suffix(std::slice::from_ref(quote));
        return inside.ok_or(Problem::BadQuotes);
    }
    Ok(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(widths: &[usize]) -> FixedWidth {
        FixedWidth {
            widths: widths.to_vec(),
            null_as: b"\\N".to_vec(),
            remove_quotes: false,
            fill_record: false,
            ignore_blank_lines: true,
        }
    }

    fn rows(text: &str, rules: &FixedWidth) -> (Vec<Vec<String>>, Vec<Problem>) {
        let (mut fields, mut rewritten) = (Fields::default(), Vec::new());
        let end = read(
            text.as_bytes(),
            rules,
            usize::MAX,
            &mut rewritten,
            &mut fields,
        );
        assert_eq!(end, text.len());
        assert_eq!(fields.lines.len(), fields.rows);
        let field = |row, field| {
            let (start, end) = fields.place(row, field).expect("a field");
            String::from_utf8_lossy(&rewritten[start..end]).into_owned()
        };
        let rows = (0..fields.rows).map(|row| {
            (0..rules.widths.len())
                .map(|place| field(row, place))
                .collect()
        });
        let rows = rows.collect();
        (
            rows,
            fields.bad.iter().map(|(_, problem)| *problem).collect(),
        )
    }

    fn check(text: &str, rules: &FixedWidth, good: &[&[&str]], bad: &[Problem]) {
        let good: Vec<Vec<String>> = good
            .iter()
            .map(|row| row.iter().map(|field| (*field).to_owned()).collect())
            .collect();
        assert_eq!(rows(text, rules), (good, bad.to_vec()), "{text:?}");
    }

    #[test]
    fn widths_are_characters() {
        let plain = rules(&[2, 3]);
        check(
            "ab12 \r\n\nc  4\n",
            &plain,
            &[&["ab", "12 "], &["c ", " 4"]],
            &[],
        );
        check(
            "\u{e4}\u{20ac}x\u{1d11e}y",
            &plain,
            &[&["\u{e4}\u{20ac}", "x\u{1d11e}y"]],
            &[],
        );
        check("ab123  \n", &plain, &[&["ab", "123"]], &[]);
        check(
            "ab1234\nab\nabc\n",
            &plain,
            &[&["ab", "c"]],
            &[Problem::ExtraColumns, Problem::FewColumns],
        );
        check("\\N12", &plain, &[&["\\N", "12"]], &[]);
        check("1 \\N ", &plain, &[&["1 ", "\\N"]], &[]);
    }

    #[test]
    fn options() {
        let fill = FixedWidth {
            fill_record: true,
            ..rules(&[1, 1, 2])
        };
        check(
            "a\nab\nabcd\n",
            &fill,
            &[&["a", "", ""], &["a", "b", ""], &["a", "b", "cd"]],
            &[],
        );
        let quotes = FixedWidth {
            remove_quotes: true,
            ..rules(&[5, 4])
        };
        check(
            "\"ab\" 'c'\n'a   bcd\n",
            &quotes,
            &[&["ab", "c"]],
            &[Problem::BadQuotes],
        );
        let blank = FixedWidth {
            ignore_blank_lines: false,
            ..fill
        };
        check("\n", &blank, &[], &[Problem::FewColumns]);
    }

    proptest! {
        #[test]
        fn a_slow_reader_agrees(
            text in "[ab \u{e4}\u{20ac}\r\n]{0,40}",
            widths in prop::collection::vec(1_usize..4, 1..4),
            fill in any::<bool>(),
        ) {
            let rules = FixedWidth { fill_record: fill, ..rules(&widths) };
            let (mut good, mut bad) = (Vec::new(), Vec::new());
            for line in text.split_terminator('\n') {
                let line = line.strip_suffix('\r').unwrap_or(line);
                let characters: Vec<char> = line.chars().collect();
                if characters.is_empty() {
                    continue;
                }
                let before_last: usize = widths[..widths.len() - 1].iter().sum();
                let all = before_last + widths[widths.len() - 1];
                let extra = characters.get(all..).unwrap_or_default();
                if characters.len() <= before_last && !fill {
                    bad.push(Problem::FewColumns);
                } else if extra.iter().any(|one| *one != ' ') {
                    bad.push(Problem::ExtraColumns);
                } else {
                    let mut rest = characters.into_iter();
                    let fields = widths.iter().map(|width| rest.by_ref().take(*width).collect::<String>());
                    good.push(fields.collect::<Vec<_>>());
                }
            }
            prop_assert_eq!(rows(&text, &rules), (good, bad));
        }
    }
}
