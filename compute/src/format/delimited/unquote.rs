//! Finds the fields of text with quotes, escapes, or lines to fill: byte by byte, rewriting each field without what
//! quotes and escapes add. The rewritten bytes are a buffer of their own, which fields point into; a newline cuts each
//! from the next.

use super::problem::Problem;
use super::{Dialect, Fields, Line};

/// What stands behind every rewritten field. Fields may hold newlines too: it is its place that counts.
const CUT: u8 = b'\n';

/// Reads rows of `bytes` from `at` on, until `rows_max` rows, good or bad, are found or the bytes end; appends the fields'
/// bytes to `rewritten`. Gives where to go on.
pub fn rewrite(
    bytes: &[u8],
    at: usize,
    dialect: &Dialect,
    rows_max: usize,
    rewritten: &mut Vec<u8>,
    fields: &mut Fields,
) -> usize {
    fields.stride = dialect.field_count;
    fields.cuts.truncate(match fields.rows {
        0 => 0,
        rows => rows * dialect.field_count + 1,
    });
    if fields.cuts.is_empty() {
        fields.cuts.push((rewritten.len() as u32).wrapping_sub(1));
    }
    let mut place = at;
    while place < bytes.len() && fields.found() < rows_max {
        place = row(bytes, place, dialect, rewritten, fields);
    }
    place
}

/// How a field ended.
enum End {
    Delimiter,
    Row,
}

fn row(
    bytes: &[u8],
    start: usize,
    dialect: &Dialect,
    rewritten: &mut Vec<u8>,
    fields: &mut Fields,
) -> usize {
    let kept_fields = fields.quoted.len();
    let kept_bytes = rewritten.len();
    let mut place = start;
    let mut problem = None;
    let mut count = 0;
    loop {
        let field_start = rewritten.len();
        let field_place = place;
        let (quoted, broken, end) = field(bytes, &mut place, dialect, rewritten);
        if broken {
            problem = Some(Problem::BadQuotes);
        }
        let last = matches!(end, End::Row);
        let nothing = !quoted && rewritten.len() == field_start;
        // A delimiter right before the newline does not begin another field.
        let trailing = last && count == dialect.field_count && nothing && count > 0;
        if !trailing {
            if count < dialect.field_count {
                end_field(quoted, rewritten, fields);
            }
            count += 1;
        }
        if last {
            let blank = count == 1 && nothing && field_place == start;
            return finish(
                bytes,
                start,
                place,
                dialect,
                (blank, count, problem),
                (kept_fields, kept_bytes),
                rewritten,
                fields,
            );
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the second half of one function, cut for reading"
)]
fn finish(
    bytes: &[u8],
    start: usize,
    place: usize,
    dialect: &Dialect,
    (blank, count, problem): (bool, usize, Option<Problem>),
    (kept_fields, kept_bytes): (usize, usize),
    rewritten: &mut Vec<u8>,
    fields: &mut Fields,
) -> usize {
    let line = Line {
        start: start as u32,
        end: line_end(bytes, start, place) as u32,
    };
    let missing = dialect.field_count.saturating_sub(count);
    let problem = match problem {
        Some(problem) => Some(problem),
        None if count > dialect.field_count => Some(Problem::ExtraColumns),
        None if missing > 0 && (blank || !dialect.fill_record) => Some(Problem::MissingColumns),
        None => None,
    };
    let skipped = blank && dialect.ignore_blank_lines;
    if problem.is_some() || skipped {
        fields.cuts.truncate(kept_fields + 1);
        fields.quoted.truncate(kept_fields);
        rewritten.truncate(kept_bytes);
        if let (Some(problem), false) = (problem, skipped) {
            fields.bad.push((line, problem));
        }
    } else {
        for _ in 0..missing {
            end_field(false, rewritten, fields);
        }
        fields.lines.push(line);
        fields.rows += 1;
    }
    place
}

/// Ends a field with what is rewritten.
fn end_field(quoted: bool, rewritten: &mut Vec<u8>, fields: &mut Fields) {
    fields.cuts.push(rewritten.len() as u32);
    fields.quoted.push(quoted);
    rewritten.push(CUT);
}

/// Gives where a line ends without its newline, which stands before `next` if there is one.
fn line_end(bytes: &[u8], start: usize, next: usize) -> usize {
    let mut end = next;
    if end > start && bytes.get(end - 1) == Some(&b'\n') {
        end -= 1;
    }
    if end > start && bytes.get(end - 1) == Some(&b'\r') {
        end -= 1;
    }
    end
}

/// Reads one field and moves `place` behind its delimiter or newline. Tells whether it was quoted, and whether its
/// quotes are wrong.
fn field(
    bytes: &[u8],
    place: &mut usize,
    dialect: &Dialect,
    rewritten: &mut Vec<u8>,
) -> (bool, bool, End) {
    if let Some(quote) = dialect.quote {
        return csv_field(bytes, place, dialect, quote, rewritten);
    }
    if dialect.escape && is_null_mark(bytes, *place, dialect.delimiter) {
        // The null mark is null whatever NULL AS says.
        *place += 2;
        rewritten.extend_from_slice(&dialect.null_as);
        return (false, false, take_end(bytes, place));
    }
    let opening = bytes.get(*place).copied();
    match opening.filter(|byte| dialect.remove_quotes && matches!(byte, b'"' | b'\'')) {
        Some(quote) => {
            *place += 1;
            outer_quoted_field(bytes, place, dialect, quote, rewritten)
        }
        None => bare_field(bytes, place, dialect, rewritten),
    }
}

/// Tells whether the whole field at `place` is `\N`.
fn is_null_mark(bytes: &[u8], place: usize, delimiter: u8) -> bool {
    bytes.get(place) == Some(&b'\\')
        && bytes.get(place + 1) == Some(&b'N')
        && at_end(bytes, place + 2, delimiter)
}

/// Tells whether a field may end before `place`.
fn at_end(bytes: &[u8], place: usize, delimiter: u8) -> bool {
    match bytes.get(place) {
        None | Some(b'\n') => true,
        Some(b'\r') => matches!(bytes.get(place + 1), None | Some(b'\n')),
        Some(&byte) => byte == delimiter,
    }
}

/// Moves behind what ends a field, where [`at_end`] is true.
fn take_end(bytes: &[u8], place: &mut usize) -> End {
    match bytes.get(*place) {
        None => End::Row,
        Some(b'\r') => {
            *place = (*place + 2).min(bytes.len());
            End::Row
        }
        Some(b'\n') => {
            *place += 1;
            End::Row
        }
        Some(_) => {
            *place += 1;
            End::Delimiter
        }
    }
}

/// Adds the byte that a backslash makes literal.
fn literal(bytes: &[u8], place: &mut usize, rewritten: &mut Vec<u8>) {
    rewritten.push(bytes.get(*place).copied().unwrap_or(b'\\'));
    *place = (*place + 1).min(bytes.len());
}

/// Reads a field that no quotes surround. One with an escape in it counts as quoted: it is not the null mark.
fn bare_field(
    bytes: &[u8],
    place: &mut usize,
    dialect: &Dialect,
    rewritten: &mut Vec<u8>,
) -> (bool, bool, End) {
    let mut kept = rewritten.len();
    let mut escaped = false;
    while let Some(&byte) = bytes.get(*place) {
        *place += 1;
        if byte == b'\\' && dialect.escape {
            literal(bytes, place, rewritten);
            escaped = true;
            kept = rewritten.len();
        } else if byte == dialect.delimiter {
            return (escaped, false, End::Delimiter);
        } else if byte == b'\n' {
            if rewritten.len() > kept && rewritten.last() == Some(&b'\r') {
                rewritten.pop();
            }
            break;
        } else {
            rewritten.push(byte);
        }
    }
    (escaped, false, End::Row)
}

/// Reads a field of REMOVEQUOTES from behind its opening quote: it ends at the same quote before a delimiter or the
/// end of the line, and keeps everything between, delimiters too.
fn outer_quoted_field(
    bytes: &[u8],
    place: &mut usize,
    dialect: &Dialect,
    quote: u8,
    rewritten: &mut Vec<u8>,
) -> (bool, bool, End) {
    while let Some(&byte) = bytes.get(*place) {
        *place += 1;
        if byte == b'\\' && dialect.escape {
            literal(bytes, place, rewritten);
        } else if byte == quote && at_end(bytes, *place, dialect.delimiter) {
            return (true, false, take_end(bytes, place));
        } else if byte == b'\n' {
            break;
        } else {
            rewritten.push(byte);
        }
    }
    (true, true, End::Row)
}

fn csv_field(
    bytes: &[u8],
    place: &mut usize,
    dialect: &Dialect,
    quote: u8,
    rewritten: &mut Vec<u8>,
) -> (bool, bool, End) {
    // Blanks between a delimiter and a quote do not count.
    let mut opening = *place;
    while bytes.get(opening) == Some(&b' ') && dialect.delimiter != b' ' {
        opening += 1;
    }
    let quoted = bytes.get(opening) == Some(&quote);
    let mut broken = false;
    if quoted {
        *place = opening + 1;
        broken = true;
        while let Some(&byte) = bytes.get(*place) {
            *place += 1;
            let next = bytes.get(*place);
            let is_escape = dialect.quote_escape == Some(byte)
                && next.is_some_and(|next| *next == quote || *next == byte);
            if is_escape {
                rewritten.extend(next);
                *place += 1;
            } else if byte != quote {
                rewritten.push(byte);
            } else if bytes.get(*place) == Some(&quote) {
                rewritten.push(quote);
                *place += 1;
            } else {
                broken = false;
                break;
            }
        }
    }
    let from = rewritten.len();
    while let Some(&byte) = bytes.get(*place) {
        *place += 1;
        if byte == dialect.delimiter || byte == b'\n' {
            if byte == b'\n' && rewritten.len() > from && rewritten.last() == Some(&b'\r') {
                rewritten.pop();
            }
            let blanks = rewritten
                .get(from..)
                .unwrap_or_default()
                .iter()
                .all(|each| *each == b' ');
            broken |= quoted && !blanks;
            if quoted {
                rewritten.truncate(from);
            }
            return (
                quoted,
                broken,
                if byte == b'\n' {
                    End::Row
                } else {
                    End::Delimiter
                },
            );
        }
        rewritten.push(byte);
    }
    broken |= quoted && rewritten.len() > from;
    (quoted, broken, End::Row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(
        quote: Option<u8>,
        escape: bool,
        remove_quotes: bool,
        field_count: usize,
    ) -> Dialect {
        Dialect {
            delimiter: b',',
            quote,
            quote_escape: None,
            escape,
            remove_quotes,
            null_as: b"\\N".to_vec(),
            field_count,
            fill_record: false,
            ignore_blank_lines: true,
        }
    }

    fn read(text: &str, dialect: &Dialect) -> (Vec<Vec<String>>, Vec<Problem>) {
        let (mut fields, mut rewritten) = (Fields::default(), Vec::new());
        let mut at = 0;
        while at < text.len() {
            at = rewrite(
                text.as_bytes(),
                at,
                dialect,
                2 + fields.found(),
                &mut rewritten,
                &mut fields,
            );
        }
        let cell = |row: usize, column: usize| {
            let (start, end) = fields.place(row, column).expect("a field");
            String::from_utf8_lossy(&rewritten[start..end]).to_string()
        };
        let rows = (0..fields.rows).map(|row| {
            (0..dialect.field_count)
                .map(|column| cell(row, column))
                .collect()
        });
        (
            rows.collect(),
            fields.bad.iter().map(|(_, problem)| *problem).collect(),
        )
    }

    fn check(text: &str, dialect: &Dialect, rows: &[&[&str]], problems: &[Problem]) {
        let expected: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.to_string()).collect())
            .collect();
        assert_eq!(
            read(text, dialect),
            (expected, problems.to_vec()),
            "{text:?}"
        );
    }

    #[test]
    fn csv_quotes() {
        let csv = dialect(Some(b'"'), false, false, 2);
        check(
            "a,b\r\n\"c,\n\"\"d\"\"\",  \"e\" \n",
            &csv,
            &[&["a", "b"], &["c,\n\"d\"", "e"]],
            &[],
        );
        check("\"\",x", &csv, &[&["", "x"]], &[]);
        check("a b,c\"d", &csv, &[&["a b", "c\"d"]], &[]);
        check("\"a\"b,c\nd,e", &csv, &[&["d", "e"]], &[Problem::BadQuotes]);
        check("a,\"never closed", &csv, &[], &[Problem::BadQuotes]);
        check(
            "a\nb,c,d\n\ne,f,\n",
            &csv,
            &[&["e", "f"]],
            &[Problem::MissingColumns, Problem::ExtraColumns],
        );
    }

    #[test]
    fn escapes_and_removed_quotes() {
        let escape = dialect(None, true, false, 2);
        check(
            "a\\,b,c\\\nd\n\\N,\\\\",
            &escape,
            &[&["a,b", "c\nd"], &["\\N", "\\"]],
            &[],
        );
        // An escaped backslash before N is data, and so is N with a backslash inside a field.
        check(
            "\\\\N,a\\Nb\r\nc\\\r\\\n,\\N\r\n",
            &escape,
            &[&["\\N", "aNb"], &["c\r\n", "\\N"]],
            &[],
        );
        let (mut fields, mut rewritten) = (Fields::default(), Vec::new());
        rewrite(b"\\\\N,\\N", 0, &escape, 9, &mut rewritten, &mut fields);
        assert_eq!(fields.quoted, [true, false]);
        let remove = dialect(None, false, true, 2);
        check(
            "\"a\",'b'\n\"c,d\n",
            &remove,
            &[&["a", "b"]],
            &[Problem::BadQuotes],
        );
        check(
            "\"a,b\",'c'\r\nd','' 'e' ''\n\"\",\"\n",
            &remove,
            &[&["a,b", "c"], &["d'", "' 'e' '"]],
            &[Problem::BadQuotes],
        );
        let both = dialect(None, true, true, 2);
        check("'a\\',b',c", &both, &[&["a',b", "c"]], &[]);
    }

    #[test]
    fn missing_fields_are_filled() {
        let fill = Dialect {
            fill_record: true,
            ..dialect(None, false, false, 3)
        };
        check(
            "a\nb,c\nd,e,f\n",
            &fill,
            &[&["a", "", ""], &["b", "c", ""], &["d", "e", "f"]],
            &[],
        );
    }
}
