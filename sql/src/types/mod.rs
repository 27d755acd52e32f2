//! One file per SQL type: arrow form, OID, text in, text out, casts.

pub mod date_order;
pub mod interval;
mod name;
mod noted;
mod text;
pub mod timetz;
mod wire;

pub(crate) use name::parse;
pub use text::write_text;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A SQL type with its modifiers, as a column declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    /// BOOLEAN
    Boolean,
    /// SMALLINT
    SmallInt,
    /// INTEGER
    Integer,
    /// BIGINT
    BigInt,
    /// DECIMAL(precision, scale)
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// REAL
    Real,
    /// DOUBLE PRECISION
    Double,
    /// CHAR(n), n in bytes.
    Char(u32),
    /// VARCHAR(n), n in bytes.
    Varchar(u32),
    /// DATE
    Date,
    /// TIME
    Time,
    /// TIMETZ: time and zone in one number, see [`timetz`].
    TimeTz,
    /// INTERVAL YEAR TO MONTH; whole years alone if the qualifier is YEAR.
    YearToMonth(MonthUnit),
    /// INTERVAL DAY TO SECOND, and the smallest unit of its qualifier.
    DayToSecond(SecondUnit),
    /// TIMESTAMP
    Timestamp,
    /// TIMESTAMPTZ
    TimestampTz,
    /// VARBYTE(n)
    Varbyte(u32),
    /// SUPER, kept as its JSON text.
    Super,
    /// HLLSKETCH, kept as its text.
    HllSketch,
    /// OID: leader-only, in catalog tables.
    Oid,
    /// NAME: leader-only, in catalog tables.
    Name,
    /// Types of other expressions, known by their arrow type alone.
    Unknown,
}

/// The smallest unit of an INTERVAL YEAR TO MONTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MonthUnit {
    /// YEAR
    Year,
    /// MONTH
    Month,
}

impl MonthUnit {
    /// Its months.
    pub fn months(self) -> i64 {
        match self {
            Self::Year => 12,
            Self::Month => 1,
        }
    }
}

/// The smallest unit of an INTERVAL DAY TO SECOND.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SecondUnit {
    /// DAY
    Day,
    /// HOUR
    Hour,
    /// MINUTE
    Minute,
    /// SECOND and digits of its fraction, 0 to 6.
    Second(u8),
}

impl SecondUnit {
    /// Its microseconds.
    pub fn microseconds(self) -> i64 {
        match self {
            Self::Day => interval::DAY,
            Self::Hour => interval::DAY / 24,
            Self::Minute => interval::DAY / 1_440,
            Self::Second(digits) => 10_i64.pow(u32::from(6_u8.saturating_sub(digits))),
        }
    }
}

/// VARCHAR without a length.
pub const VARCHAR_DEFAULT: u32 = 256;
/// VARCHAR(MAX).
pub const VARCHAR_MAX: u32 = 65_535;
/// CHAR(MAX).
pub const CHAR_MAX: u32 = 4_096;
/// VARBYTE without a length.
pub const VARBYTE_DEFAULT: u32 = 64_000;
/// The longest VARBYTE.
pub const VARBYTE_MAX: u32 = 1_024_000;
/// The time zone of TIMESTAMPTZ in arrow: values are instants, counted in UTC.
pub const TIMESTAMP_ZONE: &str = "UTC";

impl SqlType {
    /// Gives the arrow type values have in memory. [`SqlType::Unknown`] is text.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt | Self::Oid => DataType::Int64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Char(_)
            | Self::Varchar(_)
            | Self::Super
            | Self::HllSketch
            | Self::Name
            | Self::Unknown => DataType::Utf8View,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::TimeTz => DataType::Time64(TimeUnit::Nanosecond),
            Self::YearToMonth(_) => interval::MONTHS,
            Self::DayToSecond(_) => interval::MICROSECONDS,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => {
                DataType::Timestamp(TimeUnit::Microsecond, Some(TIMESTAMP_ZONE.into()))
            }
            Self::Varbyte(_) => DataType::BinaryView,
        }
    }

    /// Gives the SQL type of values of an arrow type.
    pub fn from_arrow(ty: &DataType) -> Self {
        match ty {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Self::SmallInt,
            DataType::Int32 | DataType::UInt16 => Self::Integer,
            DataType::Int64 | DataType::UInt32 => Self::BigInt,
            DataType::UInt64 => Self::Decimal {
                precision: 20,
                scale: 0,
            },
            DataType::Float16 | DataType::Float32 => Self::Real,
            DataType::Float64 => Self::Double,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => Self::Decimal {
                precision: (*precision).min(38),
                scale: *scale,
            },
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Varchar(VARCHAR_MAX),
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time64(TimeUnit::Nanosecond) => Self::TimeTz,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Interval(IntervalUnit::YearMonth) => Self::YearToMonth(MonthUnit::Month),
            DataType::Duration(TimeUnit::Microsecond) => Self::DayToSecond(SecondUnit::Second(6)),
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Self::Varbyte(VARBYTE_MAX)
            }
            DataType::Dictionary(_, value) => Self::from_arrow(value),
            _ => Self::Unknown,
        }
    }

    /// Reads the SQL type a field says it has, or else the one its arrow type gives. A note that does not fit the
    /// arrow type (an expression changed the values and kept the note) counts for nothing.
    pub fn from_field(field: &Field) -> Self {
        field
            .metadata()
            .get(SQL_TYPE_KEY)
            .and_then(|text| noted::parse(text))
            .filter(|ty| ty.holds(field.data_type()))
            .unwrap_or_else(|| Self::from_arrow(field.data_type()))
    }

    fn holds(self, ty: &DataType) -> bool {
        let text = matches!(
            ty,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        self.arrow() == *ty
            || (text && self.arrow() == DataType::Utf8View)
            || (self == Self::Oid && ty.is_integer())
    }

    /// Makes the field of a column of this type.
    pub fn field(self, name: impl Into<String>, nullable: bool) -> Field {
        let note = HashMap::from([(SQL_TYPE_KEY.to_owned(), self.display())]);
        Field::new(name, self.arrow(), nullable).with_metadata(note)
    }
}

/// The key of arrow field metadata that carries the SQL type (as `SqlType::display`), so that CHAR(n), VARCHAR(n),
/// SUPER, OID survive planning: scans put it on their fields, the wire reads it back.
pub const SQL_TYPE_KEY: &str = "blueshift.type";

/// The note that a text column is COLLATE CASE_INSENSITIVE.
const COLLATION_KEY: &str = "blueshift.collation";

/// Notes that a column is COLLATE CASE_INSENSITIVE.
pub fn case_insensitive(field: Field) -> Field {
    let mut notes = field.metadata().clone();
    notes.insert(COLLATION_KEY.to_owned(), "case_insensitive".to_owned());
    field.with_metadata(notes)
}

/// Tells whether a column is COLLATE CASE_INSENSITIVE.
pub fn is_case_insensitive(field: &Field) -> bool {
    field.metadata().contains_key(COLLATION_KEY)
}
