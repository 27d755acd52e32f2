//! What can be wrong with a field or a row, with the codes and texts of STL_LOAD_ERRORS.

/// One byte per kind, so that notes stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// More fields than columns.
    ExtraColumns,
    /// Fewer fields than columns.
    MissingColumns,
    /// A quote that never closes, or text behind a closing quote.
    BadQuotes,
    /// A number that does not fit its type.
    Overflow,
    /// A text longer than its column.
    TooLong,
    /// Not a date.
    Date,
    /// Not a timestamp.
    Timestamp,
    /// Not a time.
    Time,
    /// Not an interval.
    Interval,
    /// Not an integer.
    Integer,
    /// Not a floating-point number.
    Float,
    /// Not a decimal.
    Decimal,
    /// Not a boolean.
    Boolean,
    /// Null in a NOT NULL column.
    Null,
    /// A multibyte character in CHAR.
    MultibyteChar,
    /// Bytes that are not UTF-8.
    Utf8,
    /// Not hexadecimal digits.
    Hex,
    /// Not JSON.
    Json,
    /// Not a sketch.
    Sketch,
    /// A line that ends before its last field begins.
    FewColumns,
    /// What stands between JSON documents, or a document that is none.
    NotJson,
    /// A path that goes on in what is no object.
    NoJsonObject,
    /// A path that goes on in what is no array, or behind its end.
    NoJsonElement,
    /// A document over the documented size, which no MAXERROR allows.
    TooLargeJson,
    /// A file in another encoding than ENCODING says.
    WrongEncoding,
    /// With NULL AS '\0', a NUL byte that is not alone in its field.
    NulNotAlone,
    /// Bytes that are not UTF-8 and were replaced, as ACCEPTINVCHARS asks: the row is good.
    Replaced,
}

impl Problem {
    /// Gives STL_LOAD_ERRORS.err_code.
    pub fn code(self) -> i32 {
        match self {
            Self::BadQuotes | Self::MissingColumns => 1214,
            Self::ExtraColumns => 1202,
            Self::Overflow | Self::TooLong => 1204,
            Self::Date => 1205,
            Self::Timestamp | Self::Time | Self::Interval => 1206,
            Self::Integer => 1207,
            Self::Float => 1208,
            Self::Decimal => 1209,
            Self::Boolean => 1210,
            Self::Null => 1213,
            Self::MultibyteChar => 1215,
            Self::NulNotAlone => 1218,
            Self::Hex => 1219,
            Self::Utf8 => 1220,
            Self::Json | Self::Sketch => 1224,
            Self::FewColumns => 1203,
            Self::NotJson | Self::NoJsonObject | Self::NoJsonElement | Self::TooLargeJson => 1216,
            Self::WrongEncoding => 1221,
            Self::Replaced => 0,
        }
    }

    /// Gives STL_LOAD_ERRORS.err_reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ExtraColumns => "Extra column(s) found",
            Self::MissingColumns => "Delimiter not found",
            Self::BadQuotes => "Invalid quote formatting for CSV",
            Self::Overflow => "Overflow, value does not fit the column's type",
            Self::TooLong => "String length exceeds DDL length",
            Self::Date => "Invalid Date Format - length must be 10 or more",
            Self::Timestamp => "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]",
            Self::Time => "Invalid time format or value [HH24:MI:SS]",
            Self::Interval => "Invalid interval format or value",
            Self::Integer => "Invalid digit, not an integer",
            Self::Float => "Invalid value for a floating-point number",
            Self::Decimal => "Invalid digit, not a decimal number",
            Self::Boolean => "Unknown boolean format",
            Self::Null => "Missing data for not-null field",
            Self::MultibyteChar => {
                "Multibyte character not supported for CHAR (Hint: try using VARCHAR)"
            }
            Self::Utf8 => "String contains invalid or unsupported UTF8 codepoints",
            Self::NulNotAlone => {
                "When using NULL AS '\\0', a field containing a null terminator contained more than one byte"
            }
            Self::Replaced => "Invalid characters were replaced",
            Self::FewColumns => "Input data had fewer columns than were defined in the DDL",
            Self::NotJson => "Invalid value.",
            Self::NoJsonObject => "Invalid JSONPath format: Member is not an object.",
            Self::NoJsonElement => "Invalid JSONPath format: Not an array or index out of range.",
            Self::TooLargeJson => "JSON object or array is larger than 4 MB",
            Self::WrongEncoding => {
                "Encoding of the file is not the same as that specified in the COPY command"
            }
            Self::Hex => "Invalid hexadecimal digit",
            Self::Sketch => "Invalid sketch: JSON if sparse, Base64 if dense",
            Self::Json => "Invalid JSON for a SUPER value",
        }
    }
}

/// A note left by a converter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The row among the good ones of the block.
    pub row: u32,
    /// The column in the table.
    pub column: u32,
    /// What is wrong.
    pub problem: Problem,
}
