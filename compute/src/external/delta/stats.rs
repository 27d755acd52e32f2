//! What the log of a Delta table says of the values of its files: rows, nulls, and between which values a column lies.
//!
//! Source: Delta's protocol, "Per-file Statistics".

use crate::error::Result;
use crate::external::ExternalColumn;
use crate::external::bounds::{Bound, Bounds};
use blueshift_sql::SqlType;
use datafusion::common::ScalarValue;
use serde_json::Value;

/// What is known of one file.
struct Known {
    stats: Value,
    rows: Option<u64>,
}

/// Gathers what is known of files, each of which is given by its `add`; `key` tells how the log calls a column.
pub(super) fn bounds<'a>(
    adds: impl Iterator<Item = &'a Value>,
    columns: &[ExternalColumn],
    key: impl Fn(&str) -> Option<String>,
) -> Result<Bounds> {
    let known = adds.map(|add| {
        let text = add.get("stats").and_then(Value::as_str).unwrap_or("null");
        let stats: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let rows = stats.get("numRecords").and_then(Value::as_u64);
        Known { stats, rows }
    });
    let known: Vec<Known> = known.collect();
    let mut bounds = Bounds::new(known.iter().map(|file| file.rows).collect());
    for column in columns {
        let Some(key) = key(&column.name) else {
            continue;
        };
        let of_files = known.iter().map(|file| bound(&file.stats, &key, column.ty));
        bounds.add(&column.name, of_files.collect())?;
    }
    Ok(bounds)
}

fn bound(stats: &Value, key: &str, ty: SqlType) -> Bound {
    let part = |name: &str| stats.get(name).and_then(|values| values.get(key));
    let unknown = ScalarValue::try_from(&ty.arrow()).unwrap_or(ScalarValue::Null);
    let value = |name: &str| part(name).and_then(|value| read(value, ty));
    Bound {
        low: value("minValues").unwrap_or_else(|| unknown.clone()),
        high: value("maxValues").unwrap_or(unknown),
        nulls: part("nullCount").and_then(Value::as_u64),
    }
}

/// Reads a bound: whole numbers and dates, which are written exactly.
fn read(value: &Value, ty: SqlType) -> Option<ScalarValue> {
    Some(match ty {
        SqlType::SmallInt => ScalarValue::Int16(Some(i16::try_from(value.as_i64()?).ok()?)),
        SqlType::Integer => ScalarValue::Int32(Some(i32::try_from(value.as_i64()?).ok()?)),
        SqlType::BigInt => ScalarValue::Int64(Some(value.as_i64()?)),
        SqlType::Date => ty.read_text(value.as_str()?).ok()?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read() {
        let stats = serde_json::json!({
            "numRecords": 3, "minValues": {"a": 1, "d": "2024-01-02"}, "maxValues": {"a": 1.5}, "nullCount": {"a": 2}
        });
        let found = bound(&stats, "a", SqlType::Integer);
        assert_eq!(found.low, ScalarValue::Int32(Some(1)));
        assert_eq!(found.high, ScalarValue::Int32(None));
        assert_eq!(found.nulls, Some(2));
        let day = bound(&stats, "d", SqlType::Date);
        assert_eq!(day.low, ScalarValue::Date32(Some(19_724)));
        assert_eq!(day.nulls, None);
    }
}
