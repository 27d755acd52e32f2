//! Values of variables, and how they are written into SQL.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::types::{SqlType, write_text};
use datafusion_common::ScalarValue;

/// A value with its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Its type.
    pub ty: SqlType,
    /// The value, of the type's arrow form.
    pub scalar: ScalarValue,
}

/// A column of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// A row of a query.
pub type Row = Vec<Field>;

impl Value {
    /// Makes a null.
    pub fn null(ty: SqlType) -> Result<Self> {
        let scalar = ScalarValue::try_from(&ty.arrow());
        let scalar = scalar.map_err(|error| unwritable(&error))?;
        Ok(Self { ty, scalar })
    }

    /// Makes a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            ty: SqlType::Varchar(crate::types::VARCHAR_MAX),
            scalar: ScalarValue::Utf8View(Some(text.into())),
        }
    }

    /// Makes a whole number.
    pub fn integer(value: i32) -> Self {
        Self {
            ty: SqlType::Integer,
            scalar: ScalarValue::Int32(Some(value)),
        }
    }

    /// Makes a truth value.
    pub fn boolean(value: bool) -> Self {
        Self {
            ty: SqlType::Boolean,
            scalar: ScalarValue::Boolean(Some(value)),
        }
    }

    /// Gives the value as a client reads it; `None` is null.
    pub fn shown(&self) -> Result<Option<String>> {
        if self.scalar.is_null() {
            return Ok(None);
        }
        let array = self.scalar.to_array().map_err(|error| unwritable(&error))?;
        let mut text = String::new();
        write_text(array.as_ref(), 0, self.ty, &mut text);
        Ok(Some(text))
    }

    /// Gives the value as SQL.
    pub fn literal(&self) -> Result<String> {
        if let Some(plain) = self.plain_literal() {
            return Ok(plain);
        }
        let ty = self.ty.display();
        let Some(text) = self.shown()? else {
            return Ok(match self.ty {
                SqlType::Super | SqlType::HllSketch | SqlType::Unknown => "NULL".to_owned(),
                SqlType::Varchar(_) | SqlType::Name => "NULL::varchar".to_owned(),
                SqlType::Oid => "NULL::bigint".to_owned(),
                _ => format!("NULL::{ty}"),
            });
        };
        let quoted = quote(&text);
        Ok(match self.ty {
            SqlType::Varchar(_) | SqlType::Name | SqlType::Unknown => quoted,
            SqlType::Char(length) => format!("{quoted}::char({length})"),
            SqlType::Super => format!("json_parse({quoted})"),
            SqlType::HllSketch => format!("blueshift_sketch({quoted})"),
            SqlType::Varbyte(_) => format!("from_hex({quoted})"),
            _ => format!("{quoted}::{ty}"),
        })
    }

    /// Writes what needs no cast, and what its text does not show whole.
    fn plain_literal(&self) -> Option<String> {
        match &self.scalar {
            ScalarValue::Boolean(Some(value)) => Some(value.to_string()),
            ScalarValue::Int32(Some(value)) if *value >= 0 => Some(value.to_string()),
            ScalarValue::Int32(Some(value)) if *value > i32::MIN => Some(format!("({value})")),
            ScalarValue::Float64(Some(value)) => Some(format!("'{}'::float8", float(*value))),
            ScalarValue::Float32(Some(value)) => {
                Some(format!("'{}'::float4", float(f64::from(*value))))
            }
            _ => None,
        }
    }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Writes a text as a literal.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn unwritable(error: &datafusion_common::DataFusionError) -> Error {
    Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!(
            "a variable cannot hold this value: {}",
            error.strip_backtrace()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_literals() {
        let check = |value: Value, literal: &str| assert_eq!(value.literal().unwrap(), literal);
        check(Value::integer(5), "5");
        check(Value::integer(-5), "(-5)");
        check(Value::text("it's \\ here"), "'it''s \\\\ here'");
        check(Value::boolean(true), "true");
        check(Value::null(SqlType::Date).unwrap(), "NULL::date");
        let date = SqlType::Date;
        let scalar = date.read_text("2024-02-29").unwrap();
        check(Value { ty: date, scalar }, "'2024-02-29'::date");
        let ty = SqlType::Double;
        let scalar = ScalarValue::Float64(Some(0.1));
        check(Value { ty, scalar }, "'0.1'::float8");
    }
}
