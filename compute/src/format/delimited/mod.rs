//! Delimited text and CSV: an index of fields first, then columns converted one at a time.
//!
//! Good rows pay one predictable branch per field. A field that does not convert becomes null and leaves a note
//! ([`Problem`]); what to tell the user is worked out afterwards, from the bytes, for those rows alone.

pub mod convert;
pub mod index;
mod number;
pub mod problem;
pub mod separators;
pub mod text;
pub mod time;
pub mod time_format;
pub mod unquote;

use problem::Problem;

/// How fields are told apart, and which mean null.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// For CSV: the quote.
    pub quote: Option<u8>,
    /// For CSV: what makes a quote or itself literal within quotes, beside a doubled quote.
    pub quote_escape: Option<u8>,
    /// Whether a backslash makes the next byte literal.
    pub escape: bool,
    /// Whether fields lose a pair of quotes around them.
    pub remove_quotes: bool,
    /// The field that means null.
    pub null_as: Vec<u8>,
    /// Fields of a line.
    pub field_count: usize,
    /// Whether missing fields at the end are filled.
    pub fill_record: bool,
    /// Whether empty lines are passed over.
    pub ignore_blank_lines: bool,
}

impl Dialect {
    /// Tells whether fields can be found by their delimiters alone.
    pub fn is_plain(&self) -> bool {
        self.quote.is_none() && !self.escape && !self.remove_quotes && !self.fill_record
    }
}

/// Rows of a text as places of their fields.
///
/// Fields are told by the cuts around them: field `f` of row `r` stands between the bytes at `cuts[r * stride + f]` and
/// `cuts[r * stride + f + 1]`, neither included. So the place of every delimiter is kept once, in the order found.
#[derive(Debug, Default)]
pub struct Fields {
    /// The first is the byte before the first field, all ones if there is none. What is behind the last row has no
    /// meaning: the memory is kept between blocks and not cleaned.
    pub cuts: Vec<u32>,
    /// Cuts of a row: its fields, and one more if its end is no cut of its own.
    pub stride: usize,
    /// Good rows.
    pub rows: usize,
    /// Row by row, as many as a row has fields: whether it was quoted, and so is no null. Empty if nothing can be.
    pub quoted: Vec<bool>,
    /// Where each row stood in the source, if that is not where its fields stand.
    pub lines: Vec<Line>,
    /// Rows that have the wrong number of fields; they are not among `rows`.
    pub bad: Vec<(Line, Problem)>,
    /// Cuts as found, while they are put in order.
    found: Vec<u32>,
}

/// A row's place in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// First byte.
    pub start: u32,
    /// Behind the last byte, newline and carriage return not included.
    pub end: u32,
}

impl Fields {
    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.stride = 0;
        self.rows = 0;
        self.quoted.clear();
        self.lines.clear();
        self.bad.clear();
    }

    /// Counts rows, good and bad.
    pub fn found(&self) -> usize {
        self.rows + self.bad.len()
    }

    /// Gives where a field begins and ends.
    #[inline(always)]
    pub fn place(&self, row: usize, field: usize) -> Option<(usize, usize)> {
        let cuts = self.cuts.get(row * self.stride + field..)?;
        let &[before, end] = cuts.first_chunk()?;
        Some((before.wrapping_add(1) as usize, end as usize))
    }

    /// Gives where a row stood in `source`, the text that was indexed.
    pub fn line(&self, row: usize, field_count: usize, source: &[u8]) -> Option<Line> {
        if !self.lines.is_empty() {
            return self.lines.get(row).copied();
        }
        let (start, _) = self.place(row, 0)?;
        let (_, last) = self.place(row, field_count.checked_sub(1)?)?;
        let newline = memchr::memchr(b'\n', source.get(last..)?);
        let end = newline.map_or(source.len(), |newline| last + newline);
        Some(Line {
            start: start as u32,
            end: without_return(source, start, end) as u32,
        })
    }
}

/// Gives the end of the row from `start` to `end` without a carriage return.
fn without_return(source: &[u8], start: usize, end: usize) -> usize {
    match end > start && source.get(end - 1) == Some(&b'\r') {
        true => end - 1,
        false => end,
    }
}
