//! The files of a Delta table: its log from the newest checkpoint on, replayed; which of their rows are deleted, and how
//! its columns are called in them.
//!
//! What readers must know to read a table rightly, and this one does not, is refused by name.

mod mapping;
mod stats;
mod vector;
mod replay;

use super::called::{Called, Calls};
use super::deletes::{DeletedRows, OpenNotes};
use super::list::{Access, FileLists};
use super::open::OpenTable;
use super::{ExternalColumn, ExternalPartition};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use datafusion::common::ScalarValue;
use mapping::Mode;
use replay::{LOG, Log, Place, replayed};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What a reader must know and this one does, or what asks nothing of it unless it is used.
const FEATURES: [&str; 9] = [
    "timestampNtz",
    "deletionVectors",
    "columnMapping",
    "v2Checkpoint",
    "typeWidening",
    "typeWidening-preview",
    "vacuumProtocolCheck",
    "domainMetadata",
    "invariants",
];

/// The columns a table was declared with.
pub(super) struct Declared<'a> {
    /// Those in files.
    pub(super) columns: &'a [ExternalColumn],
    /// Those of partitions.
    pub(super) partition_columns: &'a [ExternalColumn],
}

/// Reads the table at a location.
pub(super) async fn read(
    access: &Access,
    lists: &FileLists,
    location: &str,
    declared: Declared<'_>,
) -> Result<OpenTable> {
    let root = location.trim_end_matches('/');
    let place = Place {
        access,
        lists,
        root,
    };
    let names = lists.files(access, &format!("{root}/{LOG}")).await?;
    if names.is_empty() {
        return Err(wrong(root, "there is no log in its folder _delta_log"));
    }
    let log = replayed(&place, &names).await?;
    ensure_readable(root, &log)?;
    ensure_partitions(root, &log.metadata, declared.partition_columns)?;
    let mode = Mode::read(root, &log.metadata)?;
    let mapped = match mode {
        Mode::None => Vec::new(),
        mode => mapping::columns(root, &log.metadata, mode)?,
    };
    let mut table = OpenTable {
        is_partitioned: !declared.partition_columns.is_empty(),
        calls: calls(&mapped, declared.columns),
        ..OpenTable::default()
    };
    let mut named = Vec::with_capacity(log.files.len());
    for ((path, _), add) in &log.files {
        if path.contains("://") || path.starts_with('/') {
            return Err(unsupported("files of a Delta table outside its folder"));
        }
        let size = number(add, "size").and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| wrong(root, "a file of the log has no size"))?;
        named.push((format!("{root}/{path}"), size));
    }
    table.files = lists.known_files(access, named.into_iter())?;
    let held = Arc::new(DeletedRows::default());
    let mut groups = HashMap::new();
    for (file, add) in table.files.iter().zip(log.files.values()) {
        let values = values(root, add, declared.partition_columns, &mapped)?;
        let next = groups.len() as u32;
        let group = groups.entry(values.clone()).or_insert(next);
        table.groups.push(*group);
        table.partitions.push(ExternalPartition {
            values,
            location: file.url.to_string(),
        });
        let vector = vector::vector(&place, add, &held)?;
        let notes = match (vector, mode) {
            (None, Mode::None | Mode::Name) => None,
            (vector, mode) => Some(Arc::new(OpenNotes::with_vector(vector, mode == Mode::Id))),
        };
        table.notes.push(notes);
    }
    let key = |column: &str| match mapped.is_empty() {
        true => Some(column.to_owned()),
        false => Some(mapped_of(&mapped, column)?.names.first()?.clone()),
    };
    table.bounds = stats::bounds(log.files.values(), declared.columns, key)?;
    Ok(table)
}

/// Finds a column among those that are mapped.
fn mapped_of<'a>(mapped: &'a [(String, Called)], name: &str) -> Option<&'a Called> {
    let mut alike = mapped
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    alike.next().map(|(_, called)| called)
}

/// Tells how the declared columns are called in files; nothing if that is by their names.
fn calls(mapped: &[(String, Called)], columns: &[ExternalColumn]) -> Calls {
    let calls = columns.iter().filter_map(|column| {
        let called = mapped_of(mapped, &column.name)?;
        Some((column.name.clone(), called.clone()))
    });
    Arc::new(calls.collect())
}

fn wrong(root: &str, reason: &str) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!("could not read the Delta table at \"{root}\": {reason}"),
        )
        .with_hint("Name the folder that has the folder _delta_log in it."),
    )
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::Sql(blueshift_sql::Error::unsupported(
        what,
        "Write the table without it, or read a copy of it in Parquet.",
    ))
}

fn number(action: &Value, name: &str) -> Option<i64> {
    action.get(name).and_then(Value::as_i64)
}

/// Refuses what a reader must know and this one does not.
fn ensure_readable(root: &str, log: &Log) -> Result<()> {
    if log.protocol.is_null() || log.metadata.is_null() {
        return Err(wrong(root, "its log has no protocol or no metadata"));
    }
    let version = number(&log.protocol, "minReaderVersion").unwrap_or(1);
    if version > 3 {
        return Err(unsupported(format!(
            "a Delta table of reader version {version}"
        )));
    }
    let features = log.protocol.get("readerFeatures").and_then(Value::as_array);
    let features = features.into_iter().flatten().filter_map(Value::as_str);
    if let Some(feature) = features.into_iter().find(|name| !FEATURES.contains(name)) {
        return Err(unsupported(format!(
            "the feature {feature} of a Delta table"
        )));
    }
    Ok(())
}

/// Checks that the partition columns are those of the table.
fn ensure_partitions(root: &str, metadata: &Value, columns: &[ExternalColumn]) -> Result<()> {
    let own = metadata.get("partitionColumns").and_then(Value::as_array);
    let own = own.into_iter().flatten().filter_map(Value::as_str);
    let own: Vec<&str> = own.collect();
    let is_known = |name: &&str| {
        let mut columns = columns.iter();
        columns.any(|column| column.name.eq_ignore_ascii_case(name))
    };
    if own.len() == columns.len() && own.iter().all(is_known) {
        return Ok(());
    }
    Err(Error::Sql(
        blueshift_sql::Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("the Delta table at \"{root}\" is not partitioned as the external table"),
        )
        .with_detail(format!("It is partitioned by ({}).", own.join(", ")))
        .with_hint("Make the external table anew with PARTITIONED BY these columns."),
    ))
}

/// Reads the values of a file's partition columns.
fn values(
    root: &str,
    add: &Value,
    columns: &[ExternalColumn],
    mapped: &[(String, Called)],
) -> Result<Vec<ScalarValue>> {
    let given = add.get("partitionValues").and_then(Value::as_object);
    let values = columns.iter().map(|column| {
        let wanted = column.ty.arrow();
        let mut given = given.into_iter().flatten();
        let physical = mapped_of(mapped, &column.name).and_then(|called| called.names.first());
        let key = physical.unwrap_or(&column.name);
        let value = given.find(|(name, _)| name.eq_ignore_ascii_case(key));
        let text = value.and_then(|(_, value)| value.as_str());
        // An empty text is a null, but of texts too: Delta has no other way to write it.
        match text.filter(|text| !text.is_empty()) {
            None => Ok(ScalarValue::try_from(&wanted)?),
            Some(text) => {
                let value = column.ty.read_text(text);
                let value = value.map_err(|error| wrong(root, &error.to_string()))?;
                Ok(value.cast_to(&wanted)?)
            }
        }
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_must_know_is_refused_by_name() {
        let check = |protocol: &str, metadata: &str, add: &str, expected: Option<&str>| {
            let mut log = Log::default();
            let text = format!(r#"{{"protocol":{protocol},"metaData":{metadata},"add":{add}}}"#);
            log.apply(serde_json::from_str(&text).expect(&text));
            let told = ensure_readable("s3://b/t", &log).err();
            let told = told.map(|error| error.to_string());
            match expected {
                None => assert_eq!(told, None),
                Some(part) => assert!(told.is_some_and(|told| told.contains(part)), "{part}"),
            }
        };
        let add = r#"{"path":"a"}"#;
        check(r#"{"minReaderVersion":1}"#, "{}", add, None);
        let odd = r#"{"minReaderVersion":3,"readerFeatures":["variantType"]}"#;
        check(odd, "{}", add, Some("variantType"));
        check(
            r#"{"minReaderVersion":4}"#,
            "{}",
            add,
            Some("reader version 4"),
        );
    }
}
