//! The types of an Iceberg schema, and single values as manifests hold them.
//!
//! Source: Iceberg's specification, "Schemas and Data Types" and "Appendix D: Single-value serialization".

use super::damaged;
use crate::error::Result;
use crate::external::called::Called;
use crate::external::fit::Width;
use arrow_schema::{DataType, TimeUnit};
use blueshift_sql::SqlType;
use datafusion::common::ScalarValue;
use serde_json::Value;

/// Types within each other at most.
const DEPTH_MAX: usize = 50;
/// Bytes of the longest character: what cutting a text between characters may take off.
const CHARACTER_BYTES: usize = 4;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A value without parts.
    Plain(Plain),
    /// Fields.
    Struct(Vec<Field>),
    /// Elements.
    List(Box<Field>),
    /// Keys and values.
    Map(Box<Field>, Box<Field>),
}

/// A type without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// boolean
    Boolean,
    /// int
    Int,
    /// long
    Long,
    /// float
    Float,
    /// double
    Double,
    /// decimal(P,S)
    Decimal { precision: u8, scale: i8 },
    /// date
    Date,
    /// time
    Time,
    /// timestamp and timestamptz
    Timestamp { has_zone: bool },
    /// string
    String,
    /// uuid
    Uuid,
    /// fixed[L]
    Fixed(i32),
    /// binary
    Binary,
}

/// A field, or the element, key or value of a list or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) id: i32,
    pub(super) name: String,
    pub(super) ty: Type,
}

/// Reads the fields of a struct.
pub(super) fn fields(root: &str, value: &Value, depth: usize) -> Result<Vec<Field>> {
    let wrong = || damaged(root, "its schema is not one of Iceberg");
    let fields = value.get("fields").and_then(Value::as_array);
    let fields = fields.ok_or_else(wrong)?.iter().map(|field| {
        let name = field.get("name").and_then(Value::as_str);
        Ok(Field {
            id: id(field.get("id")).ok_or_else(wrong)?,
            name: name.ok_or_else(wrong)?.to_owned(),
            ty: ty(root, field.get("type").ok_or_else(wrong)?, depth)?,
        })
    });
    fields.collect()
}

/// Reads an id.
pub(super) fn id(value: Option<&Value>) -> Option<i32> {
    i32::try_from(value?.as_i64()?).ok()
}

fn ty(root: &str, value: &Value, depth: usize) -> Result<Type> {
    if depth > DEPTH_MAX {
        return Err(damaged(
            root,
            "its schema has types within each other too deep",
        ));
    }
    if let Value::String(name) = value {
        return match Plain::read(name) {
            Some(plain) => Ok(Type::Plain(plain)),
            None => Err(super::unsupported(format!("the type {name} of Iceberg"))),
        };
    }
    let part = |name: &str| -> Result<Box<Field>> {
        let wrong = || damaged(root, "its schema has a list or map that is none");
        let inner = value.get(name).ok_or_else(wrong)?;
        Ok(Box::new(Field {
            id: id(value.get(format!("{name}-id"))).ok_or_else(wrong)?,
            name: name.to_owned(),
            ty: ty(root, inner, depth + 1)?,
        }))
    };
    match value.get("type").and_then(Value::as_str) {
        Some("struct") => Ok(Type::Struct(fields(root, value, depth + 1)?)),
        Some("list") => Ok(Type::List(part("element")?)),
        Some("map") => Ok(Type::Map(part("key")?, part("value")?)),
        _ => Err(damaged(root, "its schema has a type that is none")),
    }
}

impl Field {
    /// Tells how the field is called in files, `names` being what the name mapping of the table says.
    pub(super) fn called(&self, names: Option<&Value>) -> Called {
        let known = names.and_then(Value::as_array).into_iter().flatten();
        let mut known = known.filter(|entry| id(entry.get("field-id")) == Some(self.id));
        let entry = known.next();
        let aliases = entry.and_then(|entry| entry.get("names"));
        let aliases = aliases.and_then(Value::as_array).into_iter().flatten();
        let inner = entry.and_then(|entry| entry.get("fields"));
        let part = |field: &Self| (field.name.to_lowercase(), field.called(inner));
        Called {
            id: Some(self.id),
            names: aliases
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            parts: match &self.ty {
                Type::Plain(_) => Vec::new(),
                Type::Struct(fields) => fields.iter().map(part).collect(),
                Type::List(element) => vec![part(element)],
                Type::Map(key, value) => vec![part(key), part(value)],
            },
        }
    }
}

impl Plain {
    fn read(name: &str) -> Option<Self> {
        let within = |open: &str, close: char| -> Option<&str> {
            Some(name.strip_prefix(open)?.strip_suffix(close)?.trim())
        };
        if let Some(parts) = within("decimal(", ')') {
            let (precision, scale) = parts.split_once(',')?;
            let precision = precision.trim().parse().ok()?;
            let scale = scale.trim().parse().ok()?;
            let fits = (1..=38).contains(&precision) && (0..=38).contains(&scale);
            return fits.then_some(Self::Decimal { precision, scale });
        }
        if let Some(length) = within("fixed[", ']') {
            return Some(Self::Fixed(length.parse().ok()?));
        }
        Some(match name {
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp { has_zone: false },
            "timestamptz" => Self::Timestamp { has_zone: true },
            "string" => Self::String,
            "uuid" => Self::Uuid,
            "binary" => Self::Binary,
            _ => return None,
        })
    }

    /// Gives the type of arrays of such values.
    pub(super) fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp { has_zone } => {
                let zone = has_zone.then(|| "UTC".into());
                DataType::Timestamp(TimeUnit::Microsecond, zone)
            }
            Self::String => DataType::Utf8,
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Fixed(length) => DataType::FixedSizeBinary(length),
            Self::Binary => DataType::Binary,
        }
    }

    /// Reads a value of a manifest. What is none, or of a kind that rules out nothing, is `None`.
    pub(super) fn read_value(self, bytes: &[u8]) -> Option<Single> {
        let whole = || match bytes.len() {
            // A column that was int when the file was written.
            4 => Some(i64::from(i32::from_le_bytes(bytes.try_into().ok()?))),
            8 => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
            _ => None,
        };
        match self {
            Self::Boolean => Some(Single::Boolean(*bytes.first()? != 0)),
            Self::Int | Self::Long | Self::Date | Self::Timestamp { .. } => {
                whole().map(Single::Whole)
            }
            Self::Float | Self::Double => Some(Single::Real(match bytes.len() {
                4 => f64::from(f32::from_le_bytes(bytes.try_into().ok()?)),
                8 => f64::from_le_bytes(bytes.try_into().ok()?),
                _ => return None,
            })),
            Self::Decimal { .. } => decimal(bytes).map(Single::Decimal),
            Self::String => Some(Single::Text(str::from_utf8(bytes).ok()?.to_owned())),
            Self::Time | Self::Uuid | Self::Fixed(_) | Self::Binary => None,
        }
    }

    /// Gives a value as one of a column of the table, as a bound below or above its values; a null if it can be none.
    pub(super) fn bound(self, value: Option<&Single>, ty: SqlType, is_low: bool) -> ScalarValue {
        let unknown = ScalarValue::try_from(&ty.arrow()).unwrap_or(ScalarValue::Null);
        let known = value.and_then(|value| self.known(value, ty, is_low));
        let fits = known.filter(|known| known.data_type() == unknown.data_type());
        fits.unwrap_or(unknown)
    }

    fn known(self, value: &Single, ty: SqlType, is_low: bool) -> Option<ScalarValue> {
        Some(match (self, value, ty) {
            (Self::Boolean, Single::Boolean(value), SqlType::Boolean) => (*value).into(),
            (Self::Int | Self::Long, Single::Whole(value), ty) => match ty {
                SqlType::SmallInt => ScalarValue::Int16(Some(i16::try_from(*value).ok()?)),
                SqlType::Integer => ScalarValue::Int32(Some(i32::try_from(*value).ok()?)),
                SqlType::BigInt => ScalarValue::Int64(Some(*value)),
                _ => return None,
            },
            (Self::Date, Single::Whole(value), SqlType::Date) => {
                ScalarValue::Date32(Some(i32::try_from(*value).ok()?))
            }
            (Self::Timestamp { .. }, Single::Whole(value), ty) => match ty.arrow() {
                DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                    ScalarValue::TimestampMicrosecond(Some(*value), zone)
                }
                _ => return None,
            },
            (Self::Float | Self::Double, Single::Real(value), ty) if !value.is_nan() => match ty {
                SqlType::Real => ScalarValue::Float32(Some(*value as f32)),
                SqlType::Double => ScalarValue::Float64(Some(*value)),
                _ => return None,
            },
            (Self::Decimal { scale, .. }, Single::Decimal(value), ty) => match ty.arrow() {
                DataType::Decimal128(precision, known) if known == scale => {
                    ScalarValue::Decimal128(Some(*value), precision, scale)
                }
                _ => return None,
            },
            (Self::String, Single::Text(value), ty) => {
                let width = Width::of(ty).filter(|width| !width.is_char)?;
                // Texts are cut to the width of their column, and then are less than they were.
                let kept = match is_low {
                    true => Width {
                        bytes: width.bytes.saturating_sub(CHARACTER_BYTES),
                        ..width
                    }
                    .cut(value),
                    false => value.as_str(),
                };
                ScalarValue::Utf8View(Some(kept.to_owned()))
            }
            _ => return None,
        })
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Single {
    Boolean(bool),
    /// A number, days, or microseconds.
    Whole(i64),
    Real(f64),
    /// Without its point.
    Decimal(i128),
    Text(String),
}

/// Reads a number in two's complement, the greatest byte first.
pub(super) fn decimal(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    if bytes.len() > 16 {
        return None;
    }
    let mut value: i128 = if first & 0x80 == 0 { 0 } else { -1 };
    for byte in bytes {
        value = value << 8 | i128::from(*byte);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_read() {
        let text = r#"{"type":"struct","fields":[{"id":1,"name":"A","required":true,"type":"decimal(9, 2)"},
            {"id":2,"name":"b","type":{"type":"list","element-id":3,"element":{"type":"struct","fields":[
            {"id":4,"name":"c","type":"fixed[3]"}]}}}]}"#;
        let value = serde_json::from_str(text).expect("a schema");
        let fields = fields("s3://b/t", &value, 0).expect("fields");
        let [first, second] = fields.as_slice() else {
            panic!("two fields");
        };
        let decimal = Plain::Decimal {
            precision: 9,
            scale: 2,
        };
        assert_eq!(first.ty, Type::Plain(decimal));
        let called = second.called(None);
        assert_eq!(called.id, Some(2));
        let element = called.parts.first().map(|(_, element)| element.clone());
        let inner = element.and_then(|element| element.parts.first().cloned());
        assert_eq!(
            inner.map(|(name, part)| (name, part.id)),
            Some(("c".to_owned(), Some(4)))
        );
    }

    #[test]
    fn values_become_bounds() {
        let check = |plain: Plain, bytes: &[u8], ty: SqlType, expected: ScalarValue| {
            let value = plain.read_value(bytes);
            assert_eq!(plain.bound(value.as_ref(), ty, true), expected, "{plain:?}");
        };
        let long = 300_i64.to_le_bytes();
        check(
            Plain::Long,
            &long,
            SqlType::BigInt,
            ScalarValue::Int64(Some(300)),
        );
        check(
            Plain::Long,
            &300_i32.to_le_bytes(),
            SqlType::BigInt,
            ScalarValue::Int64(Some(300)),
        );
        check(Plain::Long, &long, SqlType::Date, ScalarValue::Date32(None));
        check(Plain::Long, &[1], SqlType::BigInt, ScalarValue::Int64(None));
        let text = ScalarValue::Utf8View(Some("ab".to_owned()));
        check(Plain::String, b"abcdef", SqlType::Varchar(6), text);
        let nan = f64::NAN.to_le_bytes();
        check(
            Plain::Double,
            &nan,
            SqlType::Double,
            ScalarValue::Float64(None),
        );
        assert_eq!(decimal(&[0xff, 0x38]), Some(-200));
        assert_eq!(decimal(&[]), None);
    }
}
