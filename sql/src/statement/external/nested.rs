//! The nested types of external columns: `struct<name:type, ...>`, `array<type>`, `map<type, type>`. Values of them are
//! SUPER; what a path leads to is of the declared type.

use super::ensure_column_type;
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::parser::source::Source;
use crate::sqlstate::SqlState;
use crate::types::{SqlType, VARCHAR_MAX};
use arrow_schema::Field;
use serde::{Deserialize, Serialize};
use sqlparser::tokenizer::Token;
use std::fmt;

/// Types within types at most. Source: Redshift's guide, "Nested data limitations".
const DEPTH_MAX: usize = 100;
/// The fields of a map's entries, as a query names them.
pub const ENTRY_FIELDS: [&str; 2] = ["key", "value"];
/// The key of arrow field metadata that carries the nested type.
const NESTED_KEY: &str = "blueshift.nested";

/// A type, perhaps of parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NestedType {
    /// A plain value.
    Scalar(SqlType),
    /// Named parts.
    Struct(Vec<(String, NestedType)>),
    /// Elements of one type.
    Array(Box<NestedType>),
    /// Entries of a key and a value.
    Map(Box<NestedType>, Box<NestedType>),
}

impl fmt::Display for NestedType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(ty) => write!(formatter, "{ty}"),
            Self::Struct(fields) => {
                formatter.write_str("struct<")?;
                for (index, (name, ty)) in fields.iter().enumerate() {
                    if index > 0 {
                        formatter.write_str(",")?;
                    }
                    let is_plain = name.bytes().all(|byte| {
                        byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit()
                    });
                    match is_plain && !name.starts_with(|first: char| first.is_ascii_digit()) {
                        true => write!(formatter, "{name}:{ty}")?,
                        false => write!(formatter, "\"{}\":{ty}", name.replace('"', "\"\""))?,
                    }
                }
                formatter.write_str(">")
            }
            Self::Array(element) => write!(formatter, "array<{element}>"),
            Self::Map(key, value) => write!(formatter, "map<{key},{value}>"),
        }
    }
}

impl NestedType {
    /// Reads a type as it is written in a table.
    pub fn read(text: &str) -> Result<Self> {
        let source = Source::new(text)?;
        let mut cursors = source.statements();
        let Some(cursor) = cursors.first_mut() else {
            return Err(Error::syntax("a type has no name", None));
        };
        let ty = parse(cursor)?;
        cursor.expect_end()?;
        Ok(ty)
    }

    /// Gives the type of the parts that a row of FROM has: elements of an array, entries of a map.
    pub fn element(&self) -> Option<Self> {
        match self {
            Self::Array(element) => Some(element.as_ref().clone()),
            Self::Map(key, value) => {
                let types = [key.as_ref().clone(), value.as_ref().clone()];
                let names = ENTRY_FIELDS.map(str::to_owned);
                Some(Self::Struct(names.into_iter().zip(types).collect()))
            }
            Self::Scalar(_) | Self::Struct(_) => None,
        }
    }

    /// Gives the type of what a path of names leads to.
    pub fn part<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut ty = self;
        for name in path {
            let Self::Struct(fields) = ty else {
                return None;
            };
            let mut fields = fields.iter();
            ty = &fields
                .find(|(known, _)| known.eq_ignore_ascii_case(name))?
                .1;
        }
        Some(ty.clone())
    }

    /// Notes the type on the field of a column.
    pub fn note(&self, field: Field) -> Field {
        let mut notes = field.metadata().clone();
        notes.insert(NESTED_KEY.to_owned(), self.to_string());
        field.with_metadata(notes)
    }

    /// Gives the type that is noted on a field.
    pub fn noted(field: &Field) -> Option<Self> {
        Self::read(field.metadata().get(NESTED_KEY)?).ok()
    }
}

/// Tells whether a nested type is next.
pub(super) fn is_next(cursor: &Cursor<'_>) -> bool {
    ["struct", "array", "map"]
        .iter()
        .any(|word| cursor.is_word(word))
        && cursor.peek_at(1) == Some(&Token::Lt)
}

/// Parses a type.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<NestedType> {
    let mut reader = Reader {
        closed: 0,
        depth: 0,
    };
    let position = cursor.position();
    let ty = reader.ty(cursor)?;
    match reader.closed {
        0 => Ok(ty),
        _ => Err(Error::syntax(
            "a nested type has a > too many",
            Some(position),
        )),
    }
}

struct Reader {
    /// How many `>` were read and not used: two of them are one token.
    closed: usize,
    depth: usize,
}

impl Reader {
    fn ty(&mut self, cursor: &mut Cursor<'_>) -> Result<NestedType> {
        let position = cursor.position();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("nested types can have at most {DEPTH_MAX} levels"),
            )
            .at(position));
        }
        let ty = match is_next(cursor) {
            true => self.nested(cursor)?,
            false if cursor.take_word("string") => {
                NestedType::Scalar(SqlType::Varchar(VARCHAR_MAX))
            }
            false => {
                let ty = crate::types::parse(cursor)?;
                ensure_column_type(ty, false).map_err(|error| error.at(position))?;
                NestedType::Scalar(ty)
            }
        };
        self.depth -= 1;
        Ok(ty)
    }

    fn nested(&mut self, cursor: &mut Cursor<'_>) -> Result<NestedType> {
        let word = cursor.word()?;
        cursor.expect(&Token::Lt)?;
        let ty = match word.as_str() {
            "struct" => self.fields(cursor)?,
            "array" => NestedType::Array(Box::new(self.ty(cursor)?)),
            _ => {
                let position = cursor.position();
                let key = self.ty(cursor)?;
                if !matches!(key, NestedType::Scalar(_)) {
                    return Err(Error::syntax(
                        "the key of a map cannot be of a nested type",
                        Some(position),
                    ));
                }
                cursor.expect(&Token::Comma)?;
                NestedType::Map(Box::new(key), Box::new(self.ty(cursor)?))
            }
        };
        self.close(cursor)?;
        Ok(ty)
    }

    fn fields(&mut self, cursor: &mut Cursor<'_>) -> Result<NestedType> {
        let mut fields: Vec<(String, NestedType)> = Vec::new();
        loop {
            let position = cursor.position();
            let name = cursor.name()?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(Error::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("field \"{name}\" specified more than once"),
                )
                .at(position));
            }
            cursor.expect(&Token::Colon)?;
            fields.push((name, self.ty(cursor)?));
            if self.closed > 0 || !cursor.take(&Token::Comma) {
                return Ok(NestedType::Struct(fields));
            }
        }
    }

    fn close(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if self.closed > 0 {
            self.closed -= 1;
            return Ok(());
        }
        if cursor.take(&Token::ShiftRight) {
            self.closed += 1;
            return Ok(());
        }
        cursor.expect(&Token::Gt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        for text in [
            "struct<given:character varying(20),family:character varying(20)>",
            "array<character varying(20)>",
            "array<struct<shipdate:timestamp without time zone,price:double precision>>",
            "struct<a:struct<b:struct<c:integer>>>",
            "map<character varying(5),array<array<integer>>>",
            "struct<\"Odd name\":numeric(8,2)>",
        ] {
            let ty = NestedType::read(text).expect(text);
            assert_eq!(ty.to_string(), text);
            assert_eq!(NestedType::read(&ty.to_string()).expect(text), ty);
        }
        for wrong in [
            "array<integer>>",
            "array<array<integer>",
            "struct<a:integer,a:integer>",
            "struct<a integer>",
            "map<array<integer>,integer>",
            "array<super>",
        ] {
            assert!(NestedType::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_lead_to_types() {
        let ty = NestedType::read("struct<x:struct<y:integer>,l:array<map<integer,date>>>");
        let ty = ty.expect("a type");
        let integer = Some(NestedType::Scalar(SqlType::Integer));
        assert_eq!(ty.part(["x", "Y"]), integer);
        assert_eq!(ty.part(["x", "z"]), None);
        let entries = ty.part(["l"]).and_then(|list| list.element());
        let entry = entries.and_then(|map| map.element()).expect("entries");
        assert_eq!(
            entry.part(["value"]),
            Some(NestedType::Scalar(SqlType::Date))
        );
    }
}
