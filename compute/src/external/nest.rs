//! Structs, lists and maps of a Parquet file as the SUPER values of an external column: the declared fields by name, maps
//! as lists of entries with a `key` and a `value`, as queries range over them.

use super::fit::{Width, fits};
use crate::format::parquet::nested;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewBuilder};
use arrow_schema::{ArrowError, DataType, FieldRef, Schema};
use blueshift_sql::SqlType;
use blueshift_sql::function::write_json_string;
use blueshift_sql::statement::external::{ENTRY_FIELDS, NestedType};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// How a value of a file becomes JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Nest {
    /// A plain value; a text is cut to its width.
    Scalar(Option<Width>),
    /// Fields: their names, and where they are in the file, if they are there.
    Struct(Vec<(String, Option<(usize, Nest)>)>),
    /// Elements.
    Array(Box<Nest>),
    /// Keys and values.
    Map(Box<Nest>, Box<Nest>),
}

impl Nest {
    /// Finds the parts of a type in that of a file; `None` if they do not fit.
    pub(super) fn new(found: &DataType, wanted: &NestedType) -> Option<Self> {
        match (wanted, found) {
            (NestedType::Scalar(ty), found) => {
                fits(found, &ty.arrow()).then(|| Self::Scalar(Width::of(*ty)))
            }
            (NestedType::Struct(fields), DataType::Struct(found)) => {
                let fields = fields.iter().map(|(name, ty)| {
                    let exact = found.iter().position(|field| field.name() == name);
                    let place = exact.or_else(|| {
                        let is_alike = |field: &FieldRef| field.name().eq_ignore_ascii_case(name);
                        found.iter().position(is_alike)
                    });
                    let part = match place.and_then(|place| Some((place, found.get(place)?))) {
                        Some((place, field)) => Some((place, Self::new(field.data_type(), ty)?)),
                        None => None,
                    };
                    Some((name.clone(), part))
                });
                fields.collect::<Option<_>>().map(Self::Struct)
            }
            (
                NestedType::Array(element),
                DataType::List(found)
                | DataType::LargeList(found)
                | DataType::FixedSizeList(found, _),
            ) => Self::new(found.data_type(), element).map(|nest| Self::Array(Box::new(nest))),
            (NestedType::Map(key, value), DataType::Map(entries, _)) => {
                let DataType::Struct(fields) = entries.data_type() else {
                    return None;
                };
                let key = Self::new(fields.first()?.data_type(), key)?;
                let value = Self::new(fields.get(1)?.data_type(), value)?;
                Some(Self::Map(Box::new(key), Box::new(value)))
            }
            _ => None,
        }
    }

    /// Appends a value.
    fn write(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
        if array.is_null(row) {
            out.push_str("null");
            return Ok(());
        }
        match self {
            Self::Scalar(width) => scalar(array, row, *width, out),
            Self::Struct(fields) => {
                let columns = array.as_struct().columns();
                out.push('{');
                for (index, (name, part)) in fields.iter().enumerate() {
                    separate(index, out);
                    write_json_string(name, out);
                    out.push(':');
                    let part = part.as_ref();
                    let part = part.and_then(|(place, nest)| Some((columns.get(*place)?, nest)));
                    match part {
                        Some((column, nest)) => nest.write(column.as_ref(), row, out)?,
                        None => out.push_str("null"),
                    }
                }
                out.push('}');
                Ok(())
            }
            Self::Array(element) => {
                let values = match array.data_type() {
                    DataType::LargeList(_) => array.as_list::<i64>().value(row),
                    DataType::FixedSizeList(_, _) => array.as_fixed_size_list().value(row),
                    _ => array.as_list::<i32>().value(row),
                };
                out.push('[');
                for index in 0..values.len() {
                    separate(index, out);
                    element.write(values.as_ref(), index, out)?;
                }
                out.push(']');
                Ok(())
            }
            Self::Map(key, value) => {
                let entries = array.as_map().value(row);
                let (keys, values) = (entries.column(0), entries.column(1));
                let [key_name, value_name] = ENTRY_FIELDS;
                out.push('[');
                for index in 0..entries.len() {
                    separate(index, out);
                    out.push_str("{\"");
                    out.push_str(key_name);
                    out.push_str("\":");
                    key.write(keys.as_ref(), index, out)?;
                    out.push_str(",\"");
                    out.push_str(value_name);
                    out.push_str("\":");
                    value.write(values.as_ref(), index, out)?;
                    out.push('}');
                }
                out.push(']');
                Ok(())
            }
        }
    }

    /// Makes the SUPER values of a column.
    fn all(&self, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let mut texts = StringViewBuilder::with_capacity(array.len());
        let mut text = String::new();
        for row in 0..array.len() {
            if array.is_null(row) {
                texts.append_null();
                continue;
            }
            text.clear();
            self.write(array.as_ref(), row, &mut text)?;
            texts.append_value(&text);
        }
        Ok(Arc::new(texts.finish()))
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn scalar(
    array: &dyn Array,
    row: usize,
    width: Option<Width>,
    out: &mut String,
) -> Result<(), ArrowError> {
    let text = match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    };
    match (text, width) {
        (Some(text), Some(width)) => {
            write_json_string(width.cut(text), out);
            Ok(())
        }
        _ => nested::write(array, row, false, out),
    }
}

/// Makes the SUPER values of a column of a file.
#[derive(Debug, Eq)]
pub(super) struct NestExpr {
    pub(super) value: Arc<dyn PhysicalExpr>,
    pub(super) nest: Nest,
    pub(super) field: FieldRef,
}

impl PartialEq for NestExpr {
    fn eq(&self, other: &Self) -> bool {
        self.value.eq(&other.value) && self.nest == other.nest
    }
}

impl Hash for NestExpr {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
        self.nest.hash(state);
    }
}

impl fmt::Display for NestExpr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "super({})", self.value)
    }
}

impl PhysicalExpr for NestExpr {
    fn return_field(&self, _schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let value = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(self.nest.all(&value)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.value]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [value] = children.as_slice() else {
            return internal_err!("one value becomes a SUPER");
        };
        Ok(Arc::new(Self {
            value: Arc::clone(value),
            nest: self.nest.clone(),
            field: Arc::clone(&self.field),
        }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt_sql(formatter)
    }
}

/// Tells whether a condition names a SUPER column, which no reader of a file can test.
pub(super) fn is_about_super(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let columns = datafusion::physical_expr::utils::collect_columns(filter);
    columns.iter().any(|column| {
        let field = schema.field_with_name(column.name());
        field.is_ok_and(|field| SqlType::from_field(field) == SqlType::Super)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        Int32Array, Int32Builder, MapBuilder, StringArray, StringBuilder, StructArray,
    };
    use arrow_schema::Field;

    #[test]
    fn declared_fields_are_found_by_name() {
        let names = Arc::new(StringArray::from(vec![Some("Johnny"), None])) as ArrayRef;
        let ages = Arc::new(Int32Array::from(vec![7, 8])) as ArrayRef;
        let field = |name: &str, array: &ArrayRef| {
            Arc::new(Field::new(name, array.data_type().clone(), true))
        };
        let array = StructArray::from(vec![
            (field("Given", &names), names),
            (field("age", &ages), ages),
        ]);
        let array = Arc::new(array) as ArrayRef;
        let check = |declared: &str, expected: [&str; 2]| {
            let declared = NestedType::read(declared).expect("a type");
            let nest = Nest::new(array.data_type(), &declared).expect("fits");
            let made = nest.all(&array).expect("texts");
            let made: Vec<_> = made.as_string_view().iter().flatten().collect();
            assert_eq!(made, expected);
        };
        check(
            "struct<given:varchar(4),gone:int>",
            [
                r#"{"given":"John","gone":null}"#,
                r#"{"given":null,"gone":null}"#,
            ],
        );
        check("struct<age:bigint>", [r#"{"age":7}"#, r#"{"age":8}"#]);
        let wrong = NestedType::read("struct<age:varchar(9)>").expect("a type");
        assert_eq!(Nest::new(array.data_type(), &wrong), None);
    }

    #[test]
    fn maps_are_lists_of_entries() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        map.keys().append_value("k");
        map.values().append_value(3);
        map.append(true).expect("a map");
        map.append(false).expect("a null");
        let array = Arc::new(map.finish()) as ArrayRef;
        let declared = NestedType::read("map<varchar(9),int>").expect("a type");
        let nest = Nest::new(array.data_type(), &declared).expect("fits");
        let made = nest.all(&array).expect("texts");
        assert_eq!(made.as_string_view().value(0), r#"[{"key":"k","value":3}]"#);
        assert!(made.is_null(1));
    }
}
