//! SQL types as the wire knows them: OID, size, modifier.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use blueshift_sql::SqlType;

/// What RowDescription says of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WireType {
    /// The type's OID.
    pub(super) oid: u32,
    /// Bytes of a value, -1 if they vary.
    pub(super) size: i16,
    /// Length or precision, -1 if none.
    pub(super) modifier: i32,
}

/// How a value is written, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    /// Blank-padded to so many characters.
    Char(u32),
    Date,
    Time,
    Timestamp,
    TimestampTz,
    TimeTz,
    Bytes,
    Interval,
    Months,
    Microseconds,
}

/// Tells how values of a column are written. The arrow type decides where the SQL type does not say.
pub(super) fn kind(ty: SqlType, arrow: &DataType) -> Kind {
    match ty {
        SqlType::Boolean => Kind::Bool,
        SqlType::SmallInt => Kind::Int2,
        SqlType::Integer => Kind::Int4,
        SqlType::BigInt => Kind::Int8,
        SqlType::Decimal { .. } => Kind::Numeric,
        SqlType::Real => Kind::Float4,
        SqlType::Double => Kind::Float8,
        SqlType::Char(length) => Kind::Char(length),
        SqlType::Varchar(_) | SqlType::Super | SqlType::HllSketch | SqlType::Name => Kind::Text,
        SqlType::Date => Kind::Date,
        SqlType::Time => Kind::Time,
        SqlType::TimeTz => Kind::TimeTz,
        SqlType::YearToMonth(_) => Kind::Months,
        SqlType::DayToSecond(_) => Kind::Microseconds,
        SqlType::Timestamp => Kind::Timestamp,
        SqlType::TimestampTz => Kind::TimestampTz,
        SqlType::Varbyte(_) => Kind::Bytes,
        SqlType::Oid => Kind::Oid,
        SqlType::Unknown => kind_of_arrow(arrow),
    }
}

fn kind_of_arrow(arrow: &DataType) -> Kind {
    match arrow {
        DataType::Boolean => Kind::Bool,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Kind::Int2,
        DataType::UInt16 | DataType::Int32 => Kind::Int4,
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Kind::Int8,
        DataType::Float16 | DataType::Float32 => Kind::Float4,
        DataType::Float64 => Kind::Float8,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Kind::Numeric,
        DataType::Date32 | DataType::Date64 => Kind::Date,
        DataType::Time64(TimeUnit::Nanosecond) => Kind::TimeTz,
        DataType::Time32(_) | DataType::Time64(_) => Kind::Time,
        DataType::Interval(IntervalUnit::YearMonth) => Kind::Months,
        DataType::Duration(TimeUnit::Microsecond) => Kind::Microseconds,
        DataType::Timestamp(_, None) => Kind::Timestamp,
        DataType::Timestamp(_, Some(_)) => Kind::TimestampTz,
        DataType::Interval(_) | DataType::Duration(_) => Kind::Interval,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Kind::Bytes,
        DataType::Dictionary(_, values) => kind_of_arrow(values),
        _ => Kind::Text,
    }
}

/// Gives OID, size and modifier of a column.
pub(super) fn wire_type(ty: SqlType, arrow: &DataType) -> WireType {
    let length = |length: u32| {
        if length == 0 {
            -1
        } else {
            i32::try_from(length).unwrap_or(-5) + 4
        }
    };
    let make = |oid, size, modifier| WireType {
        oid,
        size,
        modifier,
    };
    match ty {
        SqlType::Varchar(bytes) => make(1043, -1, length(bytes)),
        SqlType::Char(bytes) => make(1042, -1, length(bytes)),
        SqlType::Varbyte(_) => make(6551, -1, -1),
        SqlType::Super => make(4000, -1, -1),
        SqlType::HllSketch => make(2935, -1, -1),
        SqlType::Name => make(19, 64, -1),
        SqlType::Decimal { precision, scale } => make(1700, -1, numeric_modifier(precision, scale)),
        _ => match (kind(ty, arrow), arrow) {
            (Kind::Bool, _) => make(16, 1, -1),
            (Kind::Int2, _) => make(21, 2, -1),
            (Kind::Int4, _) => make(23, 4, -1),
            (Kind::Int8, _) => make(20, 8, -1),
            (Kind::Oid, _) => make(26, 4, -1),
            (Kind::Float4, _) => make(700, 4, -1),
            (Kind::Float8, _) => make(701, 8, -1),
            (Kind::Numeric, DataType::Decimal128(precision, scale)) => {
                make(1700, -1, numeric_modifier(*precision, *scale))
            }
            (Kind::Numeric, _) => make(1700, -1, -1),
            (Kind::Text | Kind::Char(_), _) => make(25, -1, -1),
            (Kind::Date, _) => make(1082, 4, -1),
            (Kind::Time, _) => make(1083, 8, -1),
            (Kind::Timestamp, _) => make(1114, 8, -1),
            (Kind::TimestampTz, _) => make(1184, 8, -1),
            (Kind::Bytes, _) => make(6551, -1, -1),
            (Kind::Interval, _) => make(1186, 16, -1),
            (Kind::TimeTz, _) => make(1266, 12, -1),
            (Kind::Months, _) => make(1188, 4, -1),
            (Kind::Microseconds, _) => make(1190, 8, -1),
        },
    }
}

fn numeric_modifier(precision: u8, scale: i8) -> i32 {
    (i32::from(precision) << 16 | i32::from(scale.max(0))) + 4
}

/// Gives the OID that a parameter of a type is described by.
pub(super) fn parameter_oid(ty: SqlType) -> u32 {
    match ty {
        SqlType::Unknown => 25,
        other => wire_type(other, &DataType::Utf8View).oid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_their_oid_size_and_modifier() {
        let check = |ty, arrow: DataType, oid, size, modifier| {
            assert_eq!(
                wire_type(ty, &arrow),
                WireType {
                    oid,
                    size,
                    modifier
                },
                "{ty:?} {arrow}"
            );
        };
        check(SqlType::Integer, DataType::Int32, 23, 4, -1);
        check(SqlType::Varchar(256), DataType::Utf8View, 1043, -1, 260);
        check(SqlType::Char(3), DataType::Utf8View, 1042, -1, 7);
        check(
            SqlType::Decimal {
                precision: 12,
                scale: 2,
            },
            DataType::Decimal128(12, 2),
            1700,
            -1,
            786_438,
        );
        check(SqlType::Super, DataType::Utf8View, 4000, -1, -1);
        check(SqlType::Unknown, DataType::UInt64, 20, 8, -1);
        check(SqlType::Unknown, DataType::Null, 25, -1, -1);
    }
}
