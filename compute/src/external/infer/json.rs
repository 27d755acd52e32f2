//! The columns of files of JSON objects, one a line: the keys of those at the beginning of some files, with types that take
//! all of the values seen.

use super::sample::{Sample, samples};
use super::{Inferred, InferredColumn, InferredFormat, VARCHAR_MAX, refused};
use crate::error::Result;
use crate::external::ExternalFile;
use blueshift_sql::{SqlState, SqlType};
use serde_json::Value;
use std::collections::HashMap;

/// Keys that are looked at.
const KEYS_MAX: usize = 10_000;

/// What the values of a key were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    /// Nulls only.
    #[default]
    Nothing,
    Boolean,
    Whole,
    Number,
    /// Texts, objects and arrays, which are read as texts too, or values of different kinds.
    Text,
}

impl Seen {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Whole,
            Value::Number(_) => Self::Number,
            Value::String(_) | Value::Array(_) | Value::Object(_) => Self::Text,
        }
    }

    fn with(self, other: Self) -> Self {
        match (self, other) {
            (one, two) if one == two => one,
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::Whole, Self::Number) | (Self::Number, Self::Whole) => Self::Number,
            _ => Self::Text,
        }
    }

    fn ty(self) -> SqlType {
        match self {
            Self::Boolean => SqlType::Boolean,
            Self::Whole => SqlType::BigInt,
            Self::Number => SqlType::Double,
            Self::Nothing | Self::Text => SqlType::Varchar(VARCHAR_MAX),
        }
    }
}

/// Looks at files of objects.
pub(super) async fn of_json(files: &[ExternalFile]) -> Result<Inferred> {
    let samples = samples(files).await?;
    let mut keys: Vec<(String, Seen)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in samples.iter().flat_map(Sample::lines) {
        // What is no object is told, or passed over, when the table is read.
        let Ok(Value::Object(object)) = serde_json::from_str(line) else {
            continue;
        };
        for (key, value) in &object {
            let (key, seen) = (key.to_lowercase(), Seen::of(value));
            let place = match places.get(&key) {
                Some(place) => *place,
                None if keys.len() < KEYS_MAX => {
                    places.insert(key.clone(), keys.len());
                    keys.push((key, Seen::Nothing));
                    keys.len() - 1
                }
                None => continue,
            };
            if let Some((_, known)) = keys.get_mut(place) {
                *known = known.with(seen);
            }
        }
    }
    if keys.is_empty() {
        return Err(refused(
            SqlState::BAD_COPY_FILE_FORMAT,
            "the files hold no JSON object on a line of its own to infer columns from".to_owned(),
            "Name the columns in CREATE EXTERNAL TABLE.",
        ));
    }
    let columns = keys.into_iter().map(|(name, seen)| InferredColumn {
        name,
        ty: seen.ty(),
        nested: None,
    });
    Ok(Inferred {
        format: InferredFormat::Json,
        columns: columns.collect(),
        partition_columns: Vec::new(),
        partitions: Vec::new(),
        header_lines: 0,
        left_out: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_take_all_values() {
        let check = |values: &str, expected: SqlType| {
            let values: Vec<Value> = serde_json::from_str(values).expect(values);
            let seen = values.iter().map(Seen::of);
            let seen = seen.fold(Seen::Nothing, Seen::with);
            assert_eq!(seen.ty(), expected, "{values:?}");
        };
        check("[1, null, 2]", SqlType::BigInt);
        check("[1, 2.5]", SqlType::Double);
        check("[1, \"a\"]", SqlType::Varchar(VARCHAR_MAX));
        check("[true]", SqlType::Boolean);
        check("[null]", SqlType::Varchar(VARCHAR_MAX));
        check("[1, {}]", SqlType::Varchar(VARCHAR_MAX));
    }
}
