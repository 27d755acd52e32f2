//! Cuts a stream of bytes into chunks that end where a row ends, so that chunks can be parsed in parallel. What is given
//! is given on as it is: only the row that lies across two pieces is copied.
//!
//! In plain text a row ends at a newline. With quotes a newline counts only outside them, with escapes only
//! after an even number of backslashes; both are decided exactly, in one pass at memory speed. An object or array of JSON
//! is a row, wherever lines end in it.

use super::json::outer::OuterArray;
use super::json::skim::Skimmer;
use bytes::Bytes;

/// Where rows may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEnd {
    /// At every newline.
    Newline,
    /// At every newline outside quoted fields of CSV.
    Quoted {
        /// Around fields.
        quote: u8,
        /// Between fields.
        delimiter: u8,
        /// What makes a quote or itself literal within quotes, if not the quote.
        escape: Option<u8>,
    },
    /// At every newline that no backslash makes literal.
    Escaped,
    /// Behind every object or array of JSON.
    Json {
        /// Lines at the beginning of the file that are no JSON.
        header_lines: u64,
        /// Whether the file is one array, and what is in it are the rows.
        strips_array: bool,
    },
    /// Behind a block of Avro: [`super::avro::blocks`] cuts these.
    Block,
}

/// Rows of one file, whole, with their place in it.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The bytes; the last row may lack its newline.
    pub bytes: Bytes,
    /// Lines of the file before this chunk.
    pub lines_before: u64,
    /// Bytes of the uncompressed file before this chunk.
    pub offset: u64,
}

/// Takes the bytes of one file piece by piece and gives them back in chunks of whole rows.
#[derive(Debug)]
pub struct Cutter {
    row_end: RowEnd,
    /// The row that has not ended, as far as it is there.
    pending: Vec<u8>,
    inside_quotes: bool,
    /// Bytes since the last quoted field closed; the same quote right behind reopens it, being a doubled one.
    since_closed: Option<usize>,
    escaped: bool,
    /// With an escape: whether the byte before closed a quoted field.
    closed_before: bool,
    skimmer: Skimmer,
    outer: Option<OuterArray>,
    /// Lines that are left of a header.
    header_lines: u64,
    lines: u64,
    offset: u64,
}

/// Behind the first and behind the last row end in a piece.
type RowEnds = (usize, usize);

impl Cutter {
    /// Begins a file.
    pub fn new(row_end: RowEnd) -> Self {
        Self {
            row_end,
            pending: Vec::new(),
            inside_quotes: false,
            since_closed: None,
            escaped: false,
            closed_before: false,
            skimmer: Skimmer::default(),
            outer: match row_end {
                RowEnd::Json { strips_array, .. } => strips_array.then(OuterArray::default),
                _ => None,
            },
            header_lines: match row_end {
                RowEnd::Json { header_lines, .. } => header_lines,
                _ => 0,
            },
            lines: 0,
            offset: 0,
        }
    }

    /// Takes the next bytes; gives the row they complete, and the whole rows they hold.
    pub fn push(&mut self, bytes: Bytes) -> [Option<Chunk>; 2] {
        let bytes = match &mut self.outer {
            Some(outer) => outer.strip(&bytes),
            None => bytes,
        };
        let Some((first, last)) = self.row_ends(&bytes) else {
            self.pending.extend_from_slice(&bytes);
            return [None, None];
        };
        let mut completed = None;
        let mut begin = 0;
        if !self.pending.is_empty() {
            let mut row = std::mem::take(&mut self.pending);
            row.extend_from_slice(bytes.get(..first).unwrap_or_default());
            completed = Some(self.chunk(row.into()));
            begin = first;
        }
        let whole = (begin < last).then(|| self.chunk(bytes.slice(begin..last)));
        self.pending
            .extend_from_slice(bytes.get(last..).unwrap_or_default());
        [completed, whole]
    }

    /// Gives what is left at the end of the file.
    pub fn finish(&mut self) -> Option<Chunk> {
        let rest = std::mem::take(&mut self.pending);
        (!rest.is_empty()).then(|| self.chunk(rest.into()))
    }

    /// Counts the newlines in all chunks so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Gives the bytes that wait for the end of their row; a bound on them bounds the length of a row.
    pub fn waiting_bytes(&self) -> usize {
        self.pending.len()
    }

    fn chunk(&mut self, bytes: Bytes) -> Chunk {
        let (lines_before, offset) = (self.lines, self.offset);
        self.lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        self.offset += bytes.len() as u64;
        Chunk {
            bytes,
            lines_before,
            offset,
        }
    }

    /// Finds the row ends in the bytes behind `pending`.
    fn row_ends(&mut self, bytes: &[u8]) -> Option<RowEnds> {
        let mut ends: Option<RowEnds> = None;
        let mut end_at = |place: usize| {
            let first = ends.map_or(place + 1, |(first, _)| first);
            ends = Some((first, place + 1));
        };
        match self.row_end {
            RowEnd::Newline => {
                let first = memchr::memchr(b'\n', bytes)?;
                let last = memchr::memrchr(b'\n', bytes)?;
                ends = Some((first + 1, last + 1));
            }
            RowEnd::Block => {}
            RowEnd::Quoted {
                quote,
                delimiter,
                escape: Some(escape),
            } => {
                for (place, &byte) in bytes.iter().enumerate() {
                    if self.escaped {
                        self.escaped = false;
                        self.closed_before = false;
                    } else if self.inside_quotes {
                        self.escaped = byte == escape;
                        self.inside_quotes = byte != quote;
                        self.closed_before = byte == quote;
                    } else if byte == quote {
                        let before = bytes.get(..place).unwrap_or_default();
                        self.inside_quotes =
                            self.closed_before || opens(&self.pending, before, delimiter);
                        self.closed_before = false;
                    } else {
                        self.closed_before = false;
                        if byte == b'\n' {
                            end_at(place);
                        }
                    }
                }
            }
            RowEnd::Quoted {
                quote, delimiter, ..
            } => {
                let mut closed = None;
                for place in memchr::memchr2_iter(quote, b'\n', bytes) {
                    if bytes.get(place) != Some(&quote) {
                        if !self.inside_quotes {
                            end_at(place);
                        }
                    } else if self.inside_quotes {
                        self.inside_quotes = false;
                        closed = Some(place);
                    } else {
                        let is_doubled = match closed {
                            Some(closed) => closed + 1 == place,
                            None => self.since_closed == Some(0) && place == 0,
                        };
                        let before = bytes.get(..place).unwrap_or_default();
                        self.inside_quotes = is_doubled || opens(&self.pending, before, delimiter);
                    }
                }
                self.since_closed = match closed {
                    Some(closed) => Some(bytes.len() - closed - 1),
                    None => self.since_closed.map(|since| since + bytes.len()),
                };
            }
            RowEnd::Escaped => {
                for (place, &byte) in bytes.iter().enumerate() {
                    if self.escaped {
                        self.escaped = false;
                    } else if byte == b'\\' {
                        self.escaped = true;
                    } else if byte == b'\n' {
                        end_at(place);
                    }
                }
            }
            RowEnd::Json { .. } => {
                let mut at = 0;
                while self.header_lines > 0 {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let newline = memchr::memchr(b'\n', rest);
                    at += newline.map_or(rest.len(), |newline| newline + 1);
                    if newline.is_none() {
                        break;
                    }
                    end_at(at - 1);
                    self.header_lines -= 1;
                }
                while let Some(end) = self.skimmer.next_end(bytes, at) {
                    end_at(end - 1);
                    at = end;
                }
            }
        }
        ends
    }
}

/// Tells whether a quote behind `pending` and `before`, outside quoted fields, opens one: only blanks may stand between it
/// and the beginning of its field. Any other quote there is data.
fn opens(pending: &[u8], before: &[u8], delimiter: u8) -> bool {
    let bytes = before.iter().rev().chain(pending.iter().rev());
    let last = { bytes }.find(|byte| **byte != b' ' || delimiter == b' ');
    last.is_none_or(|byte| *byte == delimiter || *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::delimited::{Dialect, Fields, unquote};
    use proptest::prelude::*;

    fn cut(text: &[u8], row_end: RowEnd, step: usize) -> Vec<(Vec<u8>, u64, u64)> {
        let mut cutter = Cutter::new(row_end);
        let mut chunks: Vec<Chunk> = text
            .chunks(step)
            .flat_map(|bytes| cutter.push(Bytes::copy_from_slice(bytes)))
            .flatten()
            .collect();
        chunks.extend(cutter.finish());
        assert_eq!(
            cutter.lines() as usize,
            memchr::memchr_iter(b'\n', text).count()
        );
        chunks
            .into_iter()
            .map(|chunk| (chunk.bytes.to_vec(), chunk.lines_before, chunk.offset))
            .collect()
    }

    const CSV: RowEnd = RowEnd::Quoted {
        quote: b'"',
        delimiter: b',',
        escape: None,
    };

    /// Gives every good row's fields and every bad row's bytes, of all chunks.
    fn parsed(chunks: &[Vec<u8>], dialect: &Dialect) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for bytes in chunks {
            let (mut fields, mut rewritten) = (Fields::default(), Vec::new());
            unquote::rewrite(bytes, 0, dialect, usize::MAX, &mut rewritten, &mut fields);
            for row in 0..fields.rows {
                for column in 0..dialect.field_count {
                    let (start, end) = fields.place(row, column).expect("a field");
                    good.push(rewritten[start..end].to_vec());
                }
            }
            let lines = fields.bad.iter().map(|(line, _)| line);
            bad.extend(lines.map(|line| bytes[line.start as usize..line.end as usize].to_vec()));
        }
        (good, bad)
    }

    proptest! {
        #[test]
        fn a_split_file_parses_as_the_whole(
            text in "[ab,\" \r\n]{0,60}",
            step in 1_usize..30,
            delimiter in prop::sample::select(vec![b',', b' ']),
        ) {
            let dialect = Dialect {
                delimiter,
                quote: Some(b'"'),
                quote_escape: None,
                escape: false,
                remove_quotes: false,
                null_as: b"\\N".to_vec(),
                field_count: 2,
                fill_record: false,
                ignore_blank_lines: false,
            };
            let row_end = RowEnd::Quoted { quote: b'"', delimiter, escape: None };
            let chunks = cut(text.as_bytes(), row_end, step);
            let chunks: Vec<Vec<u8>> = chunks.into_iter().map(|(bytes, _, _)| bytes).collect();
            prop_assert_eq!(
                parsed(&chunks, &dialect),
                parsed(&[text.into_bytes()], &dialect)
            );
        }
    }

    #[test]
    fn chunks_are_whole_rows_and_add_up() {
        let json = RowEnd::Json {
            header_lines: 1,
            strips_array: false,
        };
        let cases: [(&[u8], RowEnd, &[&[u8]]); 4] = [
            (
                b"{\"\n{\"a\":\n[\"}\"]}{}\n\n [\n]x",
                json,
                &[
                    b"{\"\n",
                    b"{\"a\":\n[\"}\"]}",
                    b"{}",
                    b"\n",
                    b"\n",
                    b" [\n]",
                    b"x",
                ],
            ),
            (
                b"a|1\nbb|2\nc|3",
                RowEnd::Newline,
                &[b"a|1\n", b"bb|2\n", b"c|3"],
            ),
            (
                b"\"a\n\"\"\",1\n\"b\n\",2\n",
                CSV,
                &[b"\"a\n\"\"\",1\n", b"\"b\n\",2\n"],
            ),
            (
                b"a\\\n|1\nb\\\\\nc\n",
                RowEnd::Escaped,
                &[b"a\\\n|1\n", b"b\\\\\n", b"c\n"],
            ),
        ];
        for (text, row_end, rows) in cases {
            for step in 1..text.len() + 1 {
                let mut ends = vec![0];
                for row in rows {
                    ends.push(ends.last().copied().unwrap_or(0) + row.len());
                }
                let mut at = 0;
                for (bytes, lines, offset) in cut(text, row_end, step) {
                    assert_eq!(offset as usize, at);
                    assert_eq!(
                        lines as usize,
                        text[..at].iter().filter(|byte| **byte == b'\n').count()
                    );
                    assert_eq!(bytes, text[at..at + bytes.len()]);
                    at += bytes.len();
                    assert!(ends.contains(&at), "{step} {at}");
                }
                assert_eq!(at, text.len());
            }
        }
    }
}
