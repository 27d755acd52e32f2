//! One file per SQL type: arrow form, OID, text in, text out, casts.

use serde::{Deserialize, Serialize};

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
    /// TIMESTAMP
    Timestamp,
    /// TIMESTAMPTZ
    TimestampTz,
    /// VARBYTE(n)
    Varbyte(u32),
    /// SUPER, kept as its JSON text.
    Super,
    /// OID: leader-only, in catalog tables.
    Oid,
    /// NAME: leader-only, in catalog tables.
    Name,
    /// Types of other expressions, known by their arrow type alone.
    Unknown,
}

/// The key of arrow field metadata that carries the SQL type (as `SqlType::display`), so that CHAR(n), VARCHAR(n),
/// SUPER, OID survive planning: scans put it on their fields, the wire reads it back.
pub const SQL_TYPE_KEY: &str = "blueshift.type";
