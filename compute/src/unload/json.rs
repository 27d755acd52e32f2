//! Lines of JSON, an object a row: numbers bare, truth as "t" and "f", SUPER as it is, all others as texts.

use super::cell::Cells;
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use std::collections::HashSet;

/// Writes JSON lines.
#[derive(Debug)]
pub(super) struct JsonLines {
    /// `{"name":` of the first column, `,"name":` of the others.
    keys: Vec<Vec<u8>>,
}

impl JsonLines {
    /// Refuses names that are not unique: an object could not hold them.
    pub(super) fn new(names: &[String]) -> Result<Self> {
        let mut seen = HashSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(Error::Sql(
                blueshift_sql::Error::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                )
                .with_hint("JSON needs a name of its own for each column: use AS."),
            ));
        }
        let keys = names.iter().enumerate().map(|(index, name)| {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            text(name.as_bytes(), &mut key);
            key.push(b':');
            key
        });
        Ok(Self {
            keys: keys.collect(),
        })
    }

    /// Appends a line.
    pub(super) fn row(&self, cells: &[Cells<'_>], row: usize, out: &mut Vec<u8>) {
        for (key, cell) in self.keys.iter().zip(cells) {
            out.extend_from_slice(key);
            if cell.is_null(row) {
                out.extend_from_slice(b"null");
                continue;
            }
            match cell {
                Cells::Super(_)
                | Cells::Int16(_)
                | Cells::Int32(_)
                | Cells::Int64(_)
                | Cells::Decimal(..) => cell.write(row, out),
                Cells::Real(array) if array.value(row).is_finite() => cell.write(row, out),
                Cells::Double(array) if array.value(row).is_finite() => cell.write(row, out),
                Cells::Text(array) => text(array.value(row).as_bytes(), out),
                Cells::Other(..) => {
                    let mut shown = Vec::new();
                    cell.write(row, &mut shown);
                    text(&shown, out);
                }
                _ => {
                    out.push(b'"');
                    cell.write(row, out);
                    out.push(b'"');
                }
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Appends a JSON string.
fn text(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut kept = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(bytes.get(kept..at).unwrap_or_default());
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(b"00");
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
        kept = at + 1;
    }
    out.extend_from_slice(bytes.get(kept..).unwrap_or_default());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, ArrayRef, BooleanArray, Date32Array, Float64Array, StringViewArray};
    use blueshift_sql::SqlType;
    use std::sync::Arc;

    #[test]
    fn rows_are_objects() {
        let columns: Vec<(ArrayRef, SqlType)> = vec![
            (
                Arc::new(StringViewArray::from(vec![Some("a\"\\\n\u{1}é"), None])),
                SqlType::Varchar(9),
            ),
            (
                Arc::new(BooleanArray::from(vec![true, false])),
                SqlType::Boolean,
            ),
            (
                Arc::new(Float64Array::from(vec![1.5, f64::NAN])),
                SqlType::Double,
            ),
            (Arc::new(Date32Array::from(vec![0, 1])), SqlType::Date),
            (
                Arc::new(StringViewArray::from(vec![Some("{\"k\":[1]}"), None])),
                SqlType::Super,
            ),
        ];
        let cells: Vec<_> = columns
            .iter()
            .map(|(array, ty)| Cells::new(array.as_ref(), *ty))
            .collect();
        let names = ["a", "b", "c", "d", "e\""].map(str::to_owned);
        let writer = JsonLines::new(&names).expect("unique names");
        let mut out = Vec::new();
        (0..columns[0].0.len()).for_each(|row| writer.row(&cells, row, &mut out));
        let out = String::from_utf8(out).expect("text");
        assert_eq!(
            out,
            "{\"a\":\"a\\\"\\\\\\n\\u0001é\",\"b\":\"t\",\"c\":1.5,\"d\":\"1970-01-01\",\"e\\\"\":{\"k\":[1]}}\n\
             {\"a\":null,\"b\":\"f\",\"c\":\"NaN\",\"d\":\"1970-01-02\",\"e\\\"\":null}\n"
        );
        for line in out.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        }
        assert!(JsonLines::new(&["a".into(), "a".into()]).is_err());
    }
}
