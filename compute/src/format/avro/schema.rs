//! The schema of an Avro file: types by number, so that a record may hold itself.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// A type's number.
pub type TypeId = usize;

/// How values of a type are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// One byte.
    Boolean,
    /// 32 bits, of variable length.
    Int,
    /// 64 bits, of variable length.
    Long,
    /// 32 bits.
    Float,
    /// 64 bits.
    Double,
    /// A length, and bytes.
    Bytes,
    /// A length, and text.
    String,
    /// So many bytes.
    Fixed(usize),
    /// The place of a name.
    Enum(Vec<String>),
    /// Blocks of elements.
    Array(TypeId),
    /// Blocks of keys with values.
    Map(TypeId),
    /// Its fields one after the other.
    Record(Vec<(String, TypeId)>),
    /// The place of a branch, and its value.
    Union(Vec<TypeId>),
}

/// What the bare value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logical {
    /// Days since 1970.
    Date,
    /// Time of the day, in parts of so many to the second.
    Time(i64),
    /// Time since 1970, in parts of so many to the second.
    Timestamp(i64),
    /// A whole number in two's complement, with so many digits behind the point.
    Decimal(usize),
    /// 16 bytes.
    Uuid,
    /// Months, days and milliseconds, 32 bits each.
    Duration,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// How it is written.
    pub kind: Kind,
    /// What it means, if more than that.
    pub logical: Option<Logical>,
    /// Whether its values take no bytes.
    pub is_empty: bool,
}

/// The types of a file. The first is that of a row, a record.
#[derive(Clone, Debug)]
pub struct Schema {
    types: Vec<Type>,
    root: TypeId,
}

impl Schema {
    /// Reads a schema. `Err` says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("its schema is no JSON: {error}"))?;
        let mut parser = Parser::default();
        let root = parser.read(&value, "")?;
        let schema = Self {
            types: parser.types,
            root,
        };
        match schema.get(root).map(|ty| &ty.kind) {
            Some(Kind::Record(_)) => Ok(schema),
            _ => Err("the type of its schema is not record".to_owned()),
        }
    }

    /// Gives the number of a row's type.
    pub fn root(&self) -> TypeId {
        self.root
    }

    /// Gives a type.
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id)
    }
}

#[derive(Default)]
struct Parser {
    types: Vec<Type>,
    named: HashMap<String, TypeId>,
}

impl Parser {
    fn add(&mut self, kind: Kind, logical: Option<Logical>) -> TypeId {
        let is_empty = |id: &TypeId| self.types.get(*id).is_some_and(|ty| ty.is_empty);
        let is_empty = match &kind {
            Kind::Null | Kind::Fixed(0) => true,
            Kind::Record(fields) => fields.iter().all(|(_, id)| is_empty(id)),
            _ => false,
        };
        self.types.push(Type {
            kind,
            logical,
            is_empty,
        });
        self.types.len() - 1
    }

    fn read(&mut self, value: &Value, space: &str) -> Result<TypeId, String> {
        match value {
            Value::String(name) => self.by_name(name, None, space),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.read(branch, space));
                let branches = branches.collect::<Result<_, _>>()?;
                Ok(self.add(Kind::Union(branches), None))
            }
            Value::Object(object) => self.object(object, space),
            other => Err(format!("its schema has a type that is none: {other}")),
        }
    }

    /// Finds a type by its name: one of the language, or one made before.
    fn by_name(
        &mut self,
        name: &str,
        logical: Option<Logical>,
        space: &str,
    ) -> Result<TypeId, String> {
        let kind = match name {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "int" => Kind::Int,
            "long" => Kind::Long,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "bytes" => Kind::Bytes,
            "string" => Kind::String,
            _ => {
                let full = full_name(name, space);
                let known = self.named.get(&full).or_else(|| self.named.get(name));
                return known
                    .copied()
                    .ok_or_else(|| format!("its schema names the unknown type \"{name}\""));
            }
        };
        Ok(self.add(kind, logical))
    }

    fn object(&mut self, object: &Map<String, Value>, space: &str) -> Result<TypeId, String> {
        let wrong = |what: &str| format!("its schema has a type without \"{what}\"");
        let Some(ty) = object.get("type") else {
            return Err(wrong("type"));
        };
        let Value::String(word) = ty else {
            return self.read(ty, space);
        };
        let logical = logical(object, word);
        match word.as_str() {
            "array" => {
                let items = object.get("items").ok_or_else(|| wrong("items"))?;
                let items = self.read(items, space)?;
                Ok(self.add(Kind::Array(items), None))
            }
            "map" => {
                let values = object.get("values").ok_or_else(|| wrong("values"))?;
                let values = self.read(values, space)?;
                Ok(self.add(Kind::Map(values), None))
            }
            "record" | "error" | "enum" | "fixed" => self.named_type(object, word, logical, space),
            _ => self.by_name(word, logical, space),
        }
    }

    fn named_type(
        &mut self,
        object: &Map<String, Value>,
        word: &str,
        logical: Option<Logical>,
        space: &str,
    ) -> Result<TypeId, String> {
        let wrong = |what: &str| format!("its schema has a {word} without \"{what}\"");
        let name = object.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| wrong("name"))?;
        let given = object.get("namespace").and_then(Value::as_str);
        let full = full_name(name, given.unwrap_or(space));
        let space = full.rsplit_once('.').map_or("", |(space, _)| space);
        // The name stands for the type inside of it already.
        let id = self.add(Kind::Fixed(1), logical);
        self.named.insert(full.clone(), id);
        let kind = match word {
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64);
                let size = size.and_then(|size| usize::try_from(size).ok());
                Kind::Fixed(size.ok_or_else(|| wrong("size"))?)
            }
            "enum" => {
                let symbols = object.get("symbols").and_then(Value::as_array);
                let symbols = symbols.ok_or_else(|| wrong("symbols"))?.iter();
                let symbols = symbols.map(|symbol| symbol.as_str().map(str::to_owned));
                let symbols: Option<_> = symbols.collect();
                Kind::Enum(symbols.ok_or_else(|| wrong("symbols"))?)
            }
            _ => {
                let fields = object.get("fields").and_then(Value::as_array);
                let fields = fields.ok_or_else(|| wrong("fields"))?;
                let mut read = Vec::with_capacity(fields.len());
                for field in fields {
                    let name = field.get("name").and_then(Value::as_str);
                    let name = name.ok_or_else(|| wrong("name"))?;
                    let ty = field.get("type").ok_or_else(|| wrong("type"))?;
                    read.push((name.to_owned(), self.read(ty, space)?));
                }
                Kind::Record(read)
            }
        };
        let last = self.add(kind, logical);
        if let Some(made) = self.types.pop()
            && let Some(place) = self.types.get_mut(id)
            && last > id
        {
            *place = made;
        }
        Ok(id)
    }
}

fn full_name(name: &str, space: &str) -> String {
    match name.contains('.') || space.is_empty() {
        true => name.to_owned(),
        false => format!("{space}.{name}"),
    }
}

/// Reads `logicalType`. One that is unknown, or does not fit its type, counts as none.
fn logical(object: &Map<String, Value>, word: &str) -> Option<Logical> {
    let name = object.get("logicalType").and_then(Value::as_str)?;
    let number = |key: &str| object.get(key).and_then(Value::as_u64);
    let is_bytes = matches!(word, "bytes" | "fixed");
    let size = number("size");
    Some(match (name, word) {
        ("date", "int") => Logical::Date,
        ("time-millis", "int") => Logical::Time(1_000),
        ("time-micros", "long") => Logical::Time(1_000_000),
        ("timestamp-millis" | "local-timestamp-millis", "long") => Logical::Timestamp(1_000),
        ("timestamp-micros" | "local-timestamp-micros", "long") => Logical::Timestamp(1_000_000),
        ("timestamp-nanos" | "local-timestamp-nanos", "long") => Logical::Timestamp(1_000_000_000),
        ("decimal", _) if is_bytes => {
            let scale = usize::try_from(number("scale").unwrap_or(0)).ok()?;
            let precision = number("precision")?;
            (precision <= 76 && scale as u64 <= precision).then_some(Logical::Decimal(scale))?
        }
        ("uuid", "fixed") if size == Some(16) => Logical::Uuid,
        ("duration", "fixed") if size == Some(12) => Logical::Duration,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(schema: &Schema, id: TypeId) -> &Kind {
        &schema.get(id).expect("a type").kind
    }

    #[test]
    fn names_are_found_in_their_space() {
        let text = r#"{"type":"record","name":"a.b.Row","fields":[
            {"name":"c","type":{"type":"enum","name":"Color","symbols":["RED"]}},
            {"name":"d","type":["null","Color"]},
            {"name":"e","type":["null","a.b.Row"]},
            {"name":"f","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"g","type":{"type":{"type":"string"}}}]}"#;
        let schema = Schema::parse(text).expect("a schema");
        let Kind::Record(fields) = kind(&schema, schema.root()) else {
            panic!("a record");
        };
        let ids: Vec<TypeId> = fields.iter().map(|(_, id)| *id).collect();
        assert!(matches!(kind(&schema, ids[0]), Kind::Enum(_)));
        let Kind::Union(branches) = kind(&schema, ids[1]) else {
            panic!("a union");
        };
        assert_eq!(branches[1], ids[0]);
        let Kind::Union(branches) = kind(&schema, ids[2]) else {
            panic!("a union");
        };
        assert_eq!(branches[1], schema.root());
        let time = schema.get(ids[3]).expect("a type");
        assert_eq!(time.logical, Some(Logical::Timestamp(1_000)));
        assert_eq!(*kind(&schema, ids[4]), Kind::String);
    }

    #[test]
    fn wrong_schemas_are_refused() {
        for wrong in [
            "",
            "\"int\"",
            "[\"null\"]",
            "{\"type\":\"record\",\"name\":\"r\"}",
            "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":\"none\"}]}",
            "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":7}]}",
        ] {
            assert!(Schema::parse(wrong).is_err(), "{wrong}");
        }
    }
}
