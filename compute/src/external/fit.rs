//! Which types of a file are those of a column, and how wide its texts may be.

use arrow_schema::DataType;
use blueshift_sql::SqlType;

/// Tells whether values of a type in a file can be those of a column.
pub(super) fn fits(found: &DataType, wanted: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Decimal32, Decimal64, Decimal128, Decimal256,
        FixedSizeBinary, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary,
        LargeUtf8, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    if let DataType::Dictionary(_, value) = found {
        return fits(value, wanted);
    }
    match wanted {
        // A file knows no whole numbers of less than 32 bits but by a note.
        Int16 | Int32 => matches!(found, Int8 | Int16 | Int32 | UInt8 | UInt16),
        Int64 => matches!(
            found,
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64
        ),
        Float32 => matches!(found, Float16 | Float32),
        Float64 => matches!(found, Float16 | Float32 | Float64),
        Decimal128(..) => matches!(
            found,
            Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..)
        ),
        Boolean => matches!(found, Boolean),
        Date32 => matches!(found, Date32),
        Timestamp(..) => matches!(found, Timestamp(..)),
        Utf8View => matches!(
            found,
            Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView
        ),
        BinaryView => matches!(
            found,
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_)
        ),
        other => other == found,
    }
}

/// How wide a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Width {
    pub(super) bytes: usize,
    /// CHAR: blanks at the end are not kept.
    pub(super) is_char: bool,
}

impl Width {
    /// Gives the width of a text type.
    pub(super) fn of(ty: SqlType) -> Option<Self> {
        match ty {
            SqlType::Varchar(bytes) => Some(Self {
                bytes: bytes as usize,
                is_char: false,
            }),
            SqlType::Char(bytes) => Some(Self {
                bytes: bytes as usize,
                is_char: true,
            }),
            _ => None,
        }
    }

    /// Cuts a text between two characters.
    pub(super) fn cut(self, text: &str) -> &str {
        let mut end = text.len().min(self.bytes);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        match self.is_char {
            true => text.trim_end_matches(' '),
            false => text,
        }
    }

    /// Tells whether a text is not too long, but for blanks that are not kept.
    pub(super) fn holds(self, text: &str) -> bool {
        match self.is_char {
            true => text.trim_end_matches(' ').len() <= self.bytes,
            false => text.len() <= self.bytes,
        }
    }

    /// Tells whether a text is not cut.
    pub(super) fn fits(self, text: &str) -> bool {
        text.len() <= self.bytes && !(self.is_char && text.ends_with(' '))
    }
}
