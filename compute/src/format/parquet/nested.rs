//! Values of any depth as JSON text, for SUPER.

use arrow::array::{Array, ArrayRef, AsArray, MapArray};
use arrow::datatypes::{Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use blueshift_sql::function::{read_super, write_json_string};
use std::fmt::Write;

const TIMES: FormatOptions<'static> = FormatOptions::new()
    .with_date_format(Some("%Y-%m-%d"))
    .with_time_format(Some("%H:%M:%S%.f"))
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"));

/// Appends one value. Texts are strings, or JSON if `is_marked`; numbers that JSON has no word for are null.
pub(crate) fn write(
    array: &dyn Array,
    row: usize,
    is_marked: bool,
    out: &mut String,
) -> Result<(), ArrowError> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            out.push('{');
            for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
                comma(index, out);
                write_json_string(field.name(), out);
                out.push(':');
                write(column, row, false, out)?;
            }
            out.push('}');
        }
        DataType::List(_) => elements(&array.as_list::<i32>().value(row), out)?,
        DataType::LargeList(_) => elements(&array.as_list::<i64>().value(row), out)?,
        DataType::FixedSizeList(_, _) => {
            elements(&array.as_fixed_size_list().value(row), out)?;
        }
        DataType::Map(_, _) => entries(array.as_map(), row, out)?,
        DataType::Float32 => {
            float(
                f64::from(array.as_primitive::<Float32Type>().value(row)),
                array,
                row,
                out,
            )?;
        }
        DataType::Float64 => {
            float(
                array.as_primitive::<Float64Type>().value(row),
                array,
                row,
                out,
            )?;
        }
        DataType::Utf8 => text(array.as_string::<i32>().value(row), is_marked, out)?,
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), is_marked, out)?,
        DataType::Utf8View => text(array.as_string_view().value(row), is_marked, out)?,
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => bytes(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row), out),
        DataType::Null => out.push_str("null"),
        ty if ty.is_integer() || ty.is_decimal() || *ty == DataType::Boolean => {
            shown(array, row, out)?;
        }
        _ => {
            out.push('"');
            shown(array, row, out)?;
            out.push('"');
        }
    }
    Ok(())
}

fn comma(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn elements(values: &ArrayRef, out: &mut String) -> Result<(), ArrowError> {
    out.push('[');
    for index in 0..values.len() {
        comma(index, out);
        write(values, index, false, out)?;
    }
    out.push(']');
    Ok(())
}

/// Writes a map as an object: keys that are no texts are written as such.
fn entries(map: &MapArray, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let entries = map.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    out.push('{');
    for index in 0..entries.len() {
        comma(index, out);
        let mut key = String::new();
        write(keys, index, false, &mut key)?;
        match key.starts_with('"') {
            true => out.push_str(&key),
            false => write_json_string(&key, out),
        }
        out.push(':');
        write(values, index, false, out)?;
    }
    out.push('}');
    Ok(())
}

fn text(text: &str, is_marked: bool, out: &mut String) -> Result<(), ArrowError> {
    if !is_marked {
        write_json_string(text, out);
        return Ok(());
    }
    match read_super(text, out) {
        true => Ok(()),
        false => Err(ArrowError::JsonError(
            "a text marked as JSON is none".to_owned(),
        )),
    }
}

/// Writes bytes as the text they are, or as hexadecimal digits.
fn bytes(bytes: &[u8], out: &mut String) {
    match str::from_utf8(bytes) {
        Ok(text) => write_json_string(text, out),
        Err(_) => {
            let mut digits = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                let _ = write!(digits, "{byte:02x}");
            }
            write_json_string(&digits, out);
        }
    }
}

fn float(value: f64, array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
    match value.is_finite() {
        true => shown(array, row, out),
        false => {
            out.push_str("null");
            Ok(())
        }
    }
}

/// Appends a value as arrow shows it.
fn shown(array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let formatter = ArrayFormatter::try_new(array, &TIMES)?;
    let failed = |_| ArrowError::CastError("a value cannot be shown".to_owned());
    write!(out, "{}", formatter.value(row)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        Date32Array, Decimal128Array, Float64Array, Int32Builder, Int64Array, ListArray,
        MapBuilder, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int32Type;
    use arrow_schema::Field;
    use std::sync::Arc;

    fn json(array: &dyn Array, row: usize) -> String {
        let mut out = String::new();
        write(array, row, false, &mut out).expect("JSON");
        let read: Result<serde_json::Value, _> = serde_json::from_str(&out);
        assert!(read.is_ok(), "{out}");
        out
    }

    #[test]
    fn scalars() {
        assert_eq!(json(&Int64Array::from(vec![-7]), 0), "-7");
        assert_eq!(json(&Float64Array::from(vec![1.5, f64::NAN]), 0), "1.5");
        assert_eq!(json(&Float64Array::from(vec![1.5, f64::NAN]), 1), "null");
        assert_eq!(json(&StringArray::from(vec!["a\"\n"]), 0), "\"a\\\"\\n\"");
        assert_eq!(json(&Date32Array::from(vec![0]), 0), "\"1970-01-01\"");
        let times = TimestampMicrosecondArray::from(vec![1_500_000]);
        assert_eq!(json(&times, 0), "\"1970-01-01 00:00:01.500\"");
        let decimals = Decimal128Array::from(vec![-105]).with_precision_and_scale(5, 2);
        assert_eq!(json(&decimals.expect("decimals"), 0), "-1.05");
    }

    #[test]
    fn nested() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
        ]);
        let lists = Arc::new(lists) as ArrayRef;
        let names = Arc::new(StringArray::from(vec![Some("x"), None])) as ArrayRef;
        let field = |name: &str, array: &ArrayRef| {
            Arc::new(Field::new(name, array.data_type().clone(), true))
        };
        let rows = StructArray::from(vec![
            (field("l", &lists), lists),
            (field("n", &names), names),
        ]);
        assert_eq!(json(&rows, 0), "{\"l\":[1,null],\"n\":\"x\"}");
        assert_eq!(json(&rows, 1), "{\"l\":null,\"n\":null}");
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        map.keys().append_value("k");
        map.values().append_value(3);
        map.append(true).expect("a map");
        assert_eq!(json(&map.finish(), 0), "{\"k\":3}");
    }
}
