//! How types look on the wire: PostgreSQL's OID, the type modifier, the size.

use super::SqlType;

impl SqlType {
    /// Gives the OID drivers know the type by.
    pub fn oid(self) -> u32 {
        match self {
            Self::Boolean => 16,
            Self::BigInt => 20,
            Self::SmallInt => 21,
            Self::Integer => 23,
            Self::Decimal { .. } => 1700,
            Self::Real => 700,
            Self::Double => 701,
            Self::Char(_) => 1042,
            Self::Varchar(_) | Self::Unknown => 1043,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::TimeTz => 1266,
            Self::YearToMonth(_) => 1188,
            Self::DayToSecond(_) => 1190,
            Self::Timestamp => 1114,
            Self::TimestampTz => 1184,
            Self::Varbyte(_) => 6551,
            Self::Super => 4000,
            Self::HllSketch => 2935,
            Self::Oid => 26,
            Self::Name => 19,
        }
    }

    /// Gives the type modifier: length plus 4, or precision and scale packed; -1 if there is none.
    pub fn typmod(self) -> i32 {
        match self {
            Self::Char(length) | Self::Varchar(length) | Self::Varbyte(length) => {
                i32::try_from(length).map_or(-1, |length| length + 4)
            }
            Self::Decimal { precision, scale } => {
                ((i32::from(precision) << 16) | (i32::from(scale) & 0xffff)) + 4
            }
            _ => -1,
        }
    }

    /// Gives the size in bytes; negative if it varies.
    pub fn size(self) -> i16 {
        match self {
            Self::Boolean => 1,
            Self::SmallInt => 2,
            Self::Integer | Self::Real | Self::Date | Self::Oid | Self::YearToMonth(_) => 4,
            Self::TimeTz => 12,
            Self::BigInt
            | Self::Double
            | Self::Time
            | Self::Timestamp
            | Self::TimestampTz
            | Self::DayToSecond(_) => 8,
            Self::Name => 64,
            _ => -1,
        }
    }

    /// Gives the type of an OID, as drivers declare parameters; `None` if unknown (0) or not a type of ours.
    pub fn from_oid(oid: u32) -> Option<Self> {
        Some(match oid {
            16 => Self::Boolean,
            20 => Self::BigInt,
            21 => Self::SmallInt,
            23 => Self::Integer,
            26 => Self::Oid,
            700 => Self::Real,
            701 => Self::Double,
            1700 => Self::Decimal {
                precision: 38,
                scale: 10,
            },
            18 | 1042 => Self::Char(super::CHAR_MAX),
            25 | 1043 => Self::Varchar(super::VARCHAR_MAX),
            19 => Self::Name,
            1082 => Self::Date,
            1083 => Self::Time,
            1266 => Self::TimeTz,
            1188 => Self::YearToMonth(super::MonthUnit::Month),
            1186 | 1190 => Self::DayToSecond(super::SecondUnit::Second(6)),
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            6551 | 17 => Self::Varbyte(super::VARBYTE_MAX),
            4000 => Self::Super,
            2935 => Self::HllSketch,
            _ => return None,
        })
    }
}
