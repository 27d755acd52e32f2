//! Delimited text and CSV: an index of fields first, then columns converted one at a time.
//!
//! Good rows pay one predictable branch per field. A field that does not convert becomes null and leaves a note
//! ([`Problem`]); what to tell the user is worked out afterwards, from the bytes, for those rows alone.

pub mod convert;
pub mod index;
pub mod problem;
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

/// Rows of a chunk as places of their fields.
#[derive(Debug, Default)]
pub struct Fields {
    /// Row by row, `field_count` each: where a field begins.
    pub starts: Vec<u32>,
    /// Row by row, `field_count` each: where it ends.
    pub ends: Vec<u32>,
    /// Row by row, `field_count` each: whether it was quoted, and so is no null. Empty if nothing can be.
    pub quoted: Vec<bool>,
    /// Where each row stands in the chunk, its newline not included.
    pub lines: Vec<Line>,
    /// Rows that have the wrong number of fields; they are not among `lines`.
    pub bad: Vec<(Line, Problem)>,
}

/// A row's place in its chunk.
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
        self.starts.clear();
        self.ends.clear();
        self.quoted.clear();
        self.lines.clear();
        self.bad.clear();
    }

    /// Counts rows, good and bad.
    pub fn found(&self) -> usize {
        self.lines.len() + self.bad.len()
    }

    /// Counts good rows.
    pub fn row_count(&self) -> usize {
        self.lines.len()
    }
}
