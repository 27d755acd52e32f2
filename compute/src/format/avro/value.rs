//! Whole rows of an Avro file, as values: for files that describe other files, which are small. Rows of tables are read
//! column by column instead.

use super::blocks::{File, unpack};
use super::read::{Cursor, deeper};
use super::schema::{Kind, Schema, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// Values that one row may have.
const ROW_VALUES_MAX: usize = 1 << 20;

/// A value. Numbers with a fraction are their bits, so that values can be compared and hashed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Long(i64),
    /// The bits of 32.
    Float(u32),
    /// The bits of 64.
    Double(u64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text, or the name of an enumeration.
    Text(String),
    /// Elements.
    List(Vec<Value>),
    /// Keys with values.
    Map(Vec<(String, Value)>),
    /// The names of fields, and as many values.
    Record(Arc<[String]>, Vec<Value>),
}

impl Value {
    /// Gives a field of a record; null if it has none of the name.
    pub fn field(&self, name: &str) -> &Self {
        let Self::Record(names, values) = self else {
            return &Self::Null;
        };
        let place = names.iter().position(|known| known == name);
        let value = place.and_then(|place| values.get(place));
        value.unwrap_or(&Self::Null)
    }

    /// Gives a whole number.
    pub fn long(&self) -> Option<i64> {
        match self {
            Self::Long(value) => Some(*value),
            _ => None,
        }
    }

    /// Gives a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    /// Gives bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// Gives the elements of a list; none of anything else.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }
}

/// Reads the rows of a file one after the other. Refuses one whose blocks become larger than a number of bytes together.
pub fn each_row(
    bytes: &[u8],
    unpacked_bytes_max: usize,
    take: &mut dyn FnMut(Value) -> Result<(), String>,
) -> Result<(), String> {
    let (file, mut at) = File::parse(bytes)?.ok_or("it ends early")?;
    let mut names = HashMap::new();
    let mut block = Vec::new();
    let mut unpacked = 0_usize;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (rows, length) = unpack(rest, &file, &mut block)?;
        at += length;
        unpacked = unpacked.saturating_add(block.len());
        if unpacked > unpacked_bytes_max {
            return Err(format!("it becomes larger than {unpacked_bytes_max} bytes"));
        }
        let mut reader = ValueReader {
            cursor: Cursor::new(&block, 0),
            schema: &file.schema,
            names: &mut names,
            left: 0,
        };
        for _ in 0..rows {
            reader.left = ROW_VALUES_MAX;
            take(reader.value(file.schema.root(), 0)?)?;
        }
        if reader.cursor.at() != block.len() {
            return Err("a block has bytes behind its last row".to_owned());
        }
    }
    Ok(())
}

struct ValueReader<'a> {
    cursor: Cursor<'a>,
    schema: &'a Schema,
    /// The names of fields, by type.
    names: &'a mut HashMap<TypeId, Arc<[String]>>,
    /// Values that the row may still have.
    left: usize,
}

impl ValueReader<'_> {
    fn value(&mut self, ty: TypeId, depth: usize) -> Result<Value, String> {
        let depth = deeper(depth)?;
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("a row has more than {ROW_VALUES_MAX} values"))?;
        let schema = self.schema;
        let ty = self.cursor.branch(schema, ty)?;
        let kind = schema.get(ty).map(|ty| &ty.kind);
        let kind = kind.ok_or("its schema has a type that is none")?;
        Ok(match kind {
            Kind::Null => Value::Null,
            Kind::Boolean => Value::Boolean(self.cursor.boolean()?),
            Kind::Int => Value::Long(i64::from(self.cursor.int()?)),
            Kind::Long => Value::Long(self.cursor.long()?),
            Kind::Float => Value::Float(u32::from_le_bytes(self.cursor.array()?)),
            Kind::Double => Value::Double(u64::from_le_bytes(self.cursor.array()?)),
            Kind::Bytes => Value::Bytes(self.cursor.bytes()?.to_vec()),
            Kind::String => Value::Text(self.text()?),
            Kind::Fixed(size) => Value::Bytes(self.cursor.take(*size)?.to_vec()),
            Kind::Enum(symbols) => {
                let place = self.cursor.place(symbols.len())?;
                Value::Text(symbols.get(place).cloned().unwrap_or_default())
            }
            Kind::Array(items) => {
                let is_empty = schema.get(*items).is_some_and(|ty| ty.is_empty);
                let mut values = Vec::new();
                while let Some(count) = self.cursor.count(is_empty)? {
                    for _ in 0..count {
                        values.push(self.value(*items, depth)?);
                    }
                }
                Value::List(values)
            }
            Kind::Map(items) => {
                let mut values = Vec::new();
                while let Some(count) = self.cursor.count(false)? {
                    for _ in 0..count {
                        let key = self.text()?;
                        values.push((key, self.value(*items, depth)?));
                    }
                }
                Value::Map(values)
            }
            Kind::Record(parts) => {
                let known = || parts.iter().map(|(name, _)| name.clone()).collect();
                let names = Arc::clone(self.names.entry(ty).or_insert_with(known));
                let mut values = Vec::with_capacity(parts.len());
                for (_, part) in parts {
                    values.push(self.value(*part, depth)?);
                }
                Value::Record(names, values)
            }
            Kind::Union(_) => return Err("a union within a union".to_owned()),
        })
    }

    fn text(&mut self) -> Result<String, String> {
        let bytes = self.cursor.bytes()?;
        let text = str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".to_owned())?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(schema: &str, rows: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = b"Obj\x01".to_vec();
        let number = |value: usize| (value as u64 * 2) as u8;
        bytes.push(2);
        bytes.push(number("avro.schema".len()));
        bytes.extend(b"avro.schema");
        let length = schema.len() * 2;
        bytes.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
        bytes.extend(schema.as_bytes());
        bytes.push(0);
        bytes.extend([7; 16]);
        bytes.push(rows * 2);
        bytes.push(number(body.len()));
        bytes.extend(body);
        bytes.extend([7; 16]);
        bytes
    }

    const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[{"name":"a","type":["null","long"]},
        {"name":"b","type":{"type":"array","items":"string"}},{"name":"c","type":{"type":"map","values":"bytes"}}]}"#;

    #[test]
    fn rows_become_values() {
        let body = [2, 6, 2, 2, b'x', 0, 2, 2, b'k', 4, 1, 2, 0, 0, 0, 0];
        let bytes = file(SCHEMA, 2, &body);
        let mut rows = Vec::new();
        let mut take = |row| {
            rows.push(row);
            Ok(())
        };
        each_row(&bytes, 1 << 10, &mut take).expect("rows");
        let [first, second] = rows.as_slice() else {
            panic!("two rows");
        };
        assert_eq!(first.field("a").long(), Some(3));
        assert_eq!(first.field("b").elements(), [Value::Text("x".to_owned())]);
        let entry = ("k".to_owned(), Value::Bytes(vec![1, 2]));
        assert_eq!(first.field("c"), &Value::Map(vec![entry]));
        assert_eq!(second.field("a"), &Value::Null);
        assert_eq!(second.field("d"), &Value::Null);
    }

    #[test]
    fn damage_and_too_much_are_told() {
        let bytes = file(SCHEMA, 1, &[2, 6, 0, 0]);
        let mut none = |_| Ok(());
        assert!(each_row(&bytes, 2, &mut none).is_err());
        for end in 0..bytes.len() {
            let part = bytes.get(..end).unwrap_or_default();
            // A file may end behind its header: it has no rows then.
            let _told = each_row(part, 1 << 10, &mut none);
        }
        let long = file(SCHEMA, 1, &[2, 6, 0, 0, 0]);
        assert!(each_row(&long, 1 << 10, &mut none).is_err());
    }
}
