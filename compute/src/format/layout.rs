//! How the rows and fields of a text are found: one reader a format, the same fields from each. What becomes of them is
//! the same for all formats: see [`super::delimited::convert`].

use super::avro::{self, Avro};
use super::delimited::{Dialect, Fields, index, unquote};
use super::fixed_width::{self, FixedWidth};
use super::json::{self, Json};

/// The way rows are written.
#[derive(Clone, Debug)]
pub enum Layout {
    /// Delimited text or CSV.
    Delimited(Dialect),
    /// FIXEDWIDTH
    FixedWidth(FixedWidth),
    /// JSON
    Json(Json),
    /// AVRO
    Avro(Avro),
}

/// The fields found in a block of rows, and the memory they are found in.
#[derive(Debug, Default)]
pub struct Found {
    /// Their places.
    pub fields: Fields,
    /// What they point into, if not into the text itself.
    pub rewritten: Vec<u8>,
    json: json::Reader,
    /// Where the reading of an Avro file stands.
    pub avro: avro::Reader,
}

impl Layout {
    /// Tells whether fields point into the text they were found in.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Delimited(dialect) if dialect.is_plain())
    }

    /// Counts the fields of a row.
    pub fn field_count(&self) -> usize {
        match self {
            Self::Delimited(dialect) => dialect.field_count,
            Self::FixedWidth(rules) => rules.widths.len(),
            Self::Json(json) => json.field_count(),
            Self::Avro(avro) => avro.field_count(),
        }
    }

    /// Gives the field that means null.
    pub fn null_as(&self) -> &[u8] {
        match self {
            Self::Delimited(dialect) => &dialect.null_as,
            Self::FixedWidth(rules) => &rules.null_as,
            Self::Json(_) | Self::Avro(_) => json::NULL_MARK,
        }
    }

    /// Tells whether rows have no lines in their file: they are told by number, from 0.
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Avro(_))
    }

    /// Tells whether a row is counted where it ends, and not where it begins. Source: the guide, "JSON data file".
    pub fn is_counted_at_end(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    /// Finds the rows at the beginning of `bytes`, about `rows_max` of them; gives where to go on.
    pub fn find(&self, bytes: &[u8], rows_max: usize, found: &mut Found) -> usize {
        let Found {
            fields,
            rewritten,
            json,
            avro,
        } = found;
        fields.clear();
        rewritten.clear();
        match self {
            Self::Delimited(dialect) if dialect.is_plain() => {
                index::index(bytes, dialect, rows_max, fields)
            }
            Self::Delimited(dialect) => {
                unquote::rewrite(bytes, 0, dialect, rows_max, rewritten, fields)
            }
            Self::FixedWidth(rules) => fixed_width::read(bytes, rules, rows_max, rewritten, fields),
            Self::Json(rules) => json.read(bytes, rules, rows_max, rewritten, fields),
            Self::Avro(rules) => avro.read(bytes, rules, rows_max, rewritten, fields),
        }
    }
}
