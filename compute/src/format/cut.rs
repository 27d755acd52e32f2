//! Cuts a stream of bytes into chunks that end where a row ends, so that chunks can be parsed in parallel.
//!
//! In plain text a row ends at a newline. With quotes a newline counts only outside them, with escapes only
//! after an even number of backslashes; both are decided exactly, in one pass at memory speed.

use arrow::buffer::Buffer;

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
    },
    /// At every newline that no backslash makes literal.
    Escaped,
}

/// Rows of one file, whole, with their place in it.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The bytes; the last row may lack its newline.
    pub bytes: Buffer,
    /// Lines of the file before this chunk.
    pub lines_before: u64,
    /// Bytes of the uncompressed file before this chunk.
    pub offset: u64,
}

/// Gathers the bytes of one file and gives them back in chunks of whole rows.
#[derive(Debug)]
pub struct Cutter {
    row_end: RowEnd,
    chunk_bytes: usize,
    pending: Vec<u8>,
    /// Bytes of `pending` already searched.
    searched: usize,
    /// The end of the last whole row in `pending`.
    whole: usize,
    inside_quotes: bool,
    /// Where in `pending` the last quoted field closed; the same quote right behind reopens it, being a doubled one.
    closed_at: Option<usize>,
    escaped: bool,
    lines: u64,
    offset: u64,
}

impl Cutter {
    /// Begins a file; chunks are cut at the last row end once `chunk_bytes` are there.
    pub fn new(row_end: RowEnd, chunk_bytes: usize) -> Self {
        Self {
            row_end,
            chunk_bytes,
            pending: Vec::new(),
            searched: 0,
            whole: 0,
            inside_quotes: false,
            closed_at: None,
            escaped: false,
            lines: 0,
            offset: 0,
        }
    }

    /// Takes the next bytes; gives a chunk when enough whole rows are there.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Chunk> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() < self.chunk_bytes {
            return None;
        }
        self.search();
        if self.whole == 0 {
            return None;
        }
        let rest = self.pending.split_off(self.whole);
        self.searched -= self.whole;
        self.closed_at = self
            .closed_at
            .and_then(|closed| closed.checked_sub(self.whole));
        self.whole = 0;
        let full = std::mem::replace(&mut self.pending, rest);
        self.pending.reserve(self.chunk_bytes);
        Some(self.chunk(full))
    }

    /// Gives what is left at the end of the file.
    pub fn finish(mut self) -> Option<Chunk> {
        let rest = std::mem::take(&mut self.pending);
        (!rest.is_empty()).then(|| self.chunk(rest))
    }

    /// Gives the bytes that wait for the end of their row; a bound on them bounds the length of a row.
    pub fn waiting_bytes(&self) -> usize {
        self.pending.len()
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> Chunk {
        let (lines_before, offset) = (self.lines, self.offset);
        self.lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        self.offset += bytes.len() as u64;
        Chunk {
            bytes: Buffer::from_vec(bytes),
            lines_before,
            offset,
        }
    }

    fn search(&mut self) {
        let fresh = self.pending.get(self.searched..).unwrap_or_default();
        let base = self.searched;
        match self.row_end {
            RowEnd::Newline => {
                if let Some(at) = memchr::memrchr(b'\n', fresh) {
                    self.whole = base + at + 1;
                }
            }
            RowEnd::Quoted { quote, delimiter } => {
                for at in memchr::memchr2_iter(quote, b'\n', fresh) {
                    let place = base + at;
                    if fresh.get(at) != Some(&quote) {
                        if !self.inside_quotes {
                            self.whole = place + 1;
                        }
                    } else if self.inside_quotes {
                        self.inside_quotes = false;
                        self.closed_at = Some(place);
                    } else {
                        let before = self.pending.get(..place).unwrap_or_default();
                        let is_doubled = self.closed_at.is_some_and(|closed| closed + 1 == place);
                        self.inside_quotes = is_doubled || opens(before, delimiter);
                    }
                }
            }
            RowEnd::Escaped => {
                for (at, &byte) in fresh.iter().enumerate() {
                    if self.escaped {
                        self.escaped = false;
                    } else if byte == b'\\' {
                        self.escaped = true;
                    } else if byte == b'\n' {
                        self.whole = base + at + 1;
                    }
                }
            }
        }
        self.searched = self.pending.len();
    }
}

/// Tells whether a quote behind `before`, outside quoted fields, opens one: only blanks may stand between it and the
/// beginning of its field. Any other quote there is data.
fn opens(before: &[u8], delimiter: u8) -> bool {
    let last = before
        .iter()
        .rev()
        .find(|byte| **byte != b' ' || delimiter == b' ');
    last.is_none_or(|byte| *byte == delimiter || *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::delimited::{Dialect, Fields, unquote};
    use proptest::prelude::*;

    fn cut(
        text: &[u8],
        row_end: RowEnd,
        step: usize,
        chunk_bytes: usize,
    ) -> Vec<(Vec<u8>, u64, u64)> {
        let mut cutter = Cutter::new(row_end, chunk_bytes);
        let mut chunks: Vec<Chunk> = text
            .chunks(step)
            .filter_map(|bytes| cutter.push(bytes))
            .collect();
        chunks.extend(cutter.finish());
        chunks
            .into_iter()
            .map(|chunk| (chunk.bytes.to_vec(), chunk.lines_before, chunk.offset))
            .collect()
    }

    const CSV: RowEnd = RowEnd::Quoted {
        quote: b'"',
        delimiter: b',',
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
            step in 1_usize..8,
            chunk_bytes in 1_usize..20,
            delimiter in prop::sample::select(vec![b',', b' ']),
        ) {
            let dialect = Dialect {
                delimiter,
                quote: Some(b'"'),
                escape: false,
                remove_quotes: false,
                null_as: b"\\N".to_vec(),
                field_count: 2,
                fill_record: false,
                ignore_blank_lines: false,
            };
            let row_end = RowEnd::Quoted { quote: b'"', delimiter };
            let chunks = cut(text.as_bytes(), row_end, step, chunk_bytes);
            let chunks: Vec<Vec<u8>> = chunks.into_iter().map(|(bytes, _, _)| bytes).collect();
            prop_assert_eq!(
                parsed(&chunks, &dialect),
                parsed(&[text.into_bytes()], &dialect)
            );
        }
    }

    #[test]
    fn chunks_are_whole_rows_and_add_up() {
        let cases: [(&[u8], RowEnd, &[&[u8]]); 3] = [
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
            for step in 1..text.len() {
                for chunk_bytes in 1..text.len() + 2 {
                    let chunks = cut(text, row_end, step, chunk_bytes);
                    let mut ends = vec![0];
                    for row in rows {
                        ends.push(ends.last().copied().unwrap_or(0) + row.len());
                    }
                    let mut at = 0;
                    for (bytes, lines, offset) in chunks {
                        assert_eq!(offset as usize, at);
                        assert_eq!(
                            lines as usize,
                            text[..at].iter().filter(|byte| **byte == b'\n').count()
                        );
                        assert_eq!(bytes, text[at..at + bytes.len()]);
                        at += bytes.len();
                        assert!(ends.contains(&at), "{step} {chunk_bytes} {at}");
                    }
                    assert_eq!(at, text.len());
                }
            }
        }
    }
}
