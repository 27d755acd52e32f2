//! Ids, column types and table layouts: the words every other module of this crate speaks.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Names a table, for ever; never used again after a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId(pub u64);

/// Names a slice, cluster-wide, counting from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SliceId(pub u32);

/// Names a row group, for ever; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowGroupId(pub u64);

/// The number of a commit; a read view sees every commit up to its own version.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct CommitVersion(pub u64);

/// What a column stores. Each has exactly one arrow form, see [`ColumnType::arrow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColumnType {
    /// `Boolean`.
    Bool,
    /// `Int16`.
    Int16,
    /// `Int32`.
    Int32,
    /// `Int64`.
    Int64,
    /// `Float32`.
    Float32,
    /// `Float64`.
    Float64,
    /// `Decimal128`; values of up to 18 digits are kept as 64-bit integers on disk.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// `Date32`, days since 1970-01-01.
    Date,
    /// `Time64`, microseconds since midnight.
    Time,
    /// `Time64` in nanoseconds, which count as the layer above says: TIMETZ.
    TimeTz,
    /// `Interval`, months.
    Months,
    /// `Duration`, microseconds.
    Duration,
    /// `Timestamp` in microseconds, without a zone.
    Timestamp,
    /// `Timestamp` in microseconds, UTC.
    TimestampTz,
    /// `Utf8View`. CHAR, VARCHAR and SUPER (as its JSON text).
    Text,
    /// `BinaryView`. VARBYTE.
    Bytes,
}

impl ColumnType {
    /// Tells whether values are floats.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }

    /// Gives the arrow type a scan of this column emits and a writer accepts.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::TimeTz => DataType::Time64(TimeUnit::Nanosecond),
            Self::Months => DataType::Interval(IntervalUnit::YearMonth),
            Self::Duration => DataType::Duration(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Text => DataType::Utf8View,
            Self::Bytes => DataType::BinaryView,
        }
    }
}

/// A constant in a column's own physical domain.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// For `Bool`.
    Bool(bool),
    /// For integers, dates (days), times and timestamps (microseconds), and decimals (unscaled).
    Int(i128),
    /// For `Float32` and `Float64`.
    Float(f64),
    /// For `Text` and `Bytes`.
    Bytes(Arc<[u8]>),
}

/// The name of a column encoding, as a user writes it in `ENCODE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EncodingName {
    /// Chosen per block by sampling.
    #[default]
    Auto,
    /// Plain values.
    Raw,
    /// Frame of reference or delta, bit-packed, with patches.
    Az64,
    /// A dictionary of up to 256 values per block.
    Bytedict,
    /// One-byte differences.
    Delta,
    /// Two-byte differences.
    Delta32k,
    /// LZ4.
    Lzo,
    /// Narrowed to 8 bits with patches.
    Mostly8,
    /// Narrowed to 16 bits with patches.
    Mostly16,
    /// Narrowed to 32 bits with patches.
    Mostly32,
    /// Run ends and values.
    Runlength,
    /// A dictionary of words.
    Text255,
    /// A larger dictionary of words.
    Text32k,
    /// Zstandard.
    Zstd,
}

/// One column as storage sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnLayout {
    /// Stable over ALTER TABLE; columns of a row group are found by it.
    pub id: u32,
    /// For error texts only.
    pub name: String,
    /// What is stored.
    pub ty: ColumnType,
    /// What the user asked for.
    pub encoding: EncodingName,
    /// Whether nulls may be written; checked on the write path.
    pub nullable: bool,
}

/// How rows are ordered within a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortKey {
    /// In the order of arrival.
    #[default]
    None,
    /// By these column indexes, most significant first, ascending, nulls last.
    Compound(Vec<usize>),
    /// By interleaved bits of these columns' ranks.
    Interleaved(Vec<usize>),
}

/// A table as storage sees it: its columns in order, and its sort key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLayout {
    /// In table order.
    pub columns: Vec<ColumnLayout>,
    /// The order rows are written in.
    pub sort_key: SortKey,
}

impl TableLayout {
    /// Gives the arrow schema of whole rows, in table order.
    pub fn arrow_schema(&self) -> arrow_schema::SchemaRef {
        let fields = self.columns.iter().map(|column| {
            arrow_schema::Field::new(&column.name, column.ty.arrow(), column.nullable)
        });
        Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()))
    }
}
