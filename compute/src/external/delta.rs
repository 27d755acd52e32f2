//! The files of a Delta table: its log from the newest checkpoint on, replayed.
//!
//! A commit is a file of JSON, a checkpoint one or several of Parquet, whose rows are the same actions. What readers must
//! know to read a table rightly, and this one does not, is refused by name.

use super::list::Access;
use super::{ExternalColumn, ExternalFile, ExternalPartition};
use crate::error::{Error, Result};
use crate::format::parquet::nested;
use arrow::array::Array;
use blueshift_sql::SqlState;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The folder of the log.
const LOG: &str = "_delta_log/";
/// Bytes of the log that are read at most.
const LOG_BYTES_MAX: u64 = 1 << 30;
/// What a reader must know and this one does, or what asks nothing of it unless it is used.
const FEATURES: [&str; 6] = [
    "timestampNtz",
    "deletionVectors",
    "columnMapping",
    "vacuumProtocolCheck",
    "domainMetadata",
    "invariants",
];

/// A Delta table as of its newest version.
#[derive(Debug)]
pub(super) struct DeltaTable {
    /// Its files.
    pub(super) files: Vec<ExternalFile>,
    /// Their partitions, with their own places.
    pub(super) partitions: Vec<ExternalPartition>,
}

/// What the log says.
#[derive(Default)]
struct Log {
    /// `add` by path.
    files: BTreeMap<String, Value>,
    protocol: Value,
    metadata: Value,
}

/// Reads the table at a location; `columns` are the partition columns it was declared with.
pub(super) async fn read(
    access: &Access,
    lists: &super::FileLists,
    location: &str,
    columns: &[ExternalColumn],
) -> Result<DeltaTable> {
    let root = location.trim_end_matches('/');
    let names = lists.files(access, &format!("{root}/{LOG}")).await?;
    let log = replayed(root, &names).await?;
    let Some(first) = names.first() else {
        return Err(wrong(root, "there is no log in its folder _delta_log"));
    };
    ensure_readable(root, &log)?;
    ensure_partitions(root, &log.metadata, columns)?;
    let place = first.meta.location.as_ref();
    let place = place.rsplit_once('/').map_or("", |(folder, _)| folder);
    let place = place.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut table = DeltaTable {
        files: Vec::with_capacity(log.files.len()),
        partitions: Vec::with_capacity(log.files.len()),
    };
    for (path, add) in &log.files {
        if path.contains("://") || path.starts_with('/') {
            return Err(unsupported("files of a Delta table outside its folder"));
        }
        let key = match place.is_empty() {
            true => path.clone(),
            false => format!("{place}/{path}"),
        };
        let key = ObjectPath::parse(&key).map_err(|error| wrong(root, &error.to_string()))?;
        let size = number(add, "size").and_then(|size| u64::try_from(size).ok());
        let modified = number(add, "modificationTime").unwrap_or(0);
        let url: Arc<str> = format!("{root}/{path}").into();
        table.partitions.push(ExternalPartition {
            values: values(root, add, columns)?,
            location: url.to_string(),
        });
        table.files.push(ExternalFile {
            url,
            store: Arc::clone(&first.store),
            meta: ObjectMeta {
                location: key,
                last_modified: chrono::DateTime::from_timestamp_millis(modified)
                    .unwrap_or_default(),
                size: size.ok_or_else(|| wrong(root, "a file of the log has no size"))?,
                e_tag: None,
                version: None,
            },
        });
    }
    Ok(table)
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

/// The parts of a name in the log: its version and what follows.
fn versioned(file: &ExternalFile) -> Option<(u64, &str)> {
    let name = file.url.rsplit('/').next()?;
    let (version, rest) = name.split_once('.')?;
    let is_version = version.len() == 20 && version.bytes().all(|byte| byte.is_ascii_digit());
    Some((version.parse().ok().filter(|_| is_version)?, rest))
}

/// Reads the newest checkpoint that is whole, and the commits behind it.
async fn replayed(root: &str, names: &[ExternalFile]) -> Result<Log> {
    let bytes: u64 = names.iter().map(|file| file.meta.size).sum();
    if bytes > LOG_BYTES_MAX {
        return Err(Error::Sql(blueshift_sql::Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("the log of the Delta table at \"{root}\" is larger than 1 GB"),
        )));
    }
    let mut log = Log::default();
    let mut next = 0;
    if let Some((version, parts)) = checkpoint(names)? {
        for part in parts {
            apply_checkpoint(&mut log, body(part).await?, root)?;
        }
        next = version + 1;
    }
    for file in names {
        let Some((version, "json")) = versioned(file) else {
            continue;
        };
        if version < next {
            continue;
        }
        if version > next {
            return Err(wrong(root, &format!("version {next} is not in its log")));
        }
        let body = body(file).await?;
        for line in body.split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let action: Value =
                serde_json::from_slice(line).map_err(|error| wrong(root, &error.to_string()))?;
            log.apply(action);
        }
        next = version + 1;
    }
    match next {
        0 => Err(wrong(root, "its log holds no version")),
        _ => Ok(log),
    }
}

async fn body(file: &ExternalFile) -> Result<Bytes> {
    let failed = |error| crate::object::failed(&file.url, &error);
    let got = file.store.get(&file.meta.location).await.map_err(failed)?;
    got.bytes().await.map_err(failed)
}

/// Finds the newest checkpoint of which all parts are there.
fn checkpoint(names: &[ExternalFile]) -> Result<Option<(u64, Vec<&ExternalFile>)>> {
    let mut found: BTreeMap<(u64, usize), Vec<&ExternalFile>> = BTreeMap::new();
    for file in names {
        let Some((version, rest)) = versioned(file) else {
            continue;
        };
        let Some(rest) = rest.strip_prefix("checkpoint.") else {
            continue;
        };
        let parts = match rest.split('.').collect::<Vec<_>>().as_slice() {
            ["parquet"] => 1,
            [_, count, "parquet"] if count.len() == 10 => count.parse().unwrap_or(0),
            _ => return Err(unsupported("checkpoints of version 2 of a Delta table")),
        };
        found.entry((version, parts)).or_default().push(file);
    }
    let whole = found.into_iter().rev();
    let mut whole = whole.filter(|((_, parts), files)| files.len() == *parts);
    Ok(whole.next().map(|((version, _), files)| (version, files)))
}

/// Takes the actions of a checkpoint, whose rows have one each.
fn apply_checkpoint(log: &mut Log, body: Bytes, root: &str) -> Result<()> {
    let failed = |error: String| wrong(root, &error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(body);
    let builder = builder.map_err(|error| failed(error.to_string()))?;
    let reader = builder.build().map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    for batch in reader {
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        for name in ["add", "protocol", "metaData"] {
            let Some(column) = batch.column_by_name(name) else {
                continue;
            };
            for row in 0..column.len() {
                if column.is_null(row) {
                    continue;
                }
                text.clear();
                nested::write(column.as_ref(), row, false, &mut text)?;
                let action: Value =
                    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
                log.apply(Value::Object(
                    [(name.to_owned(), action)].into_iter().collect(),
                ));
            }
        }
    }
    Ok(())
}

impl Log {
    fn apply(&mut self, action: Value) {
        let Value::Object(action) = action else {
            return;
        };
        for (kind, action) in action {
            let path = action.get("path").and_then(Value::as_str).map(decoded);
            match (kind.as_str(), path) {
                ("add", Some(path)) => {
                    self.files.insert(path, action);
                }
                ("remove", Some(path)) => {
                    self.files.remove(&path);
                }
                ("protocol", _) => self.protocol = action,
                ("metaData", _) => self.metadata = action,
                _ => {}
            }
        }
    }
}

/// Reads the path of a file, which is written as in a URL.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
    let mapping = log
        .metadata
        .get("configuration")
        .and_then(|settings| settings.get("delta.columnMapping.mode"))
        .and_then(Value::as_str);
    if mapping.is_some_and(|mode| mode != "none") {
        return Err(unsupported("column mapping of a Delta table"));
    }
    let has_vector = |add: &Value| {
        let vector = add.get("deletionVector");
        vector.is_some_and(|vector| !vector.is_null())
    };
    match log.files.values().any(has_vector) {
        false => Ok(()),
        true => Err(unsupported("deletion vectors of a Delta table")),
    }
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
fn values(root: &str, add: &Value, columns: &[ExternalColumn]) -> Result<Vec<ScalarValue>> {
    let given = add.get("partitionValues").and_then(Value::as_object);
    let values = columns.iter().map(|column| {
        let wanted = column.ty.arrow();
        let mut given = given.into_iter().flatten();
        let value = given.find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
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
    fn later_actions_stand() {
        let mut log = Log::default();
        for action in [
            r#"{"add":{"path":"a%20b","size":1}}"#,
            r#"{"add":{"path":"c","size":2}}"#,
            r#"{"remove":{"path":"c"}}"#,
            r#"{"add":{"path":"c","size":3}}"#,
            r#"{"commitInfo":{}}"#,
        ] {
            log.apply(serde_json::from_str(action).expect(action));
        }
        let sizes = log.files.iter();
        let sizes: Vec<_> = sizes
            .map(|(path, add)| (path.as_str(), number(add, "size")))
            .collect();
        assert_eq!(sizes, [("a b", Some(1)), ("c", Some(3))]);
    }

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
        let used = r#"{"path":"a","deletionVector":{"storageType":"u"}}"#;
        let vectors = r#"{"minReaderVersion":3,"readerFeatures":["deletionVectors"]}"#;
        check(vectors, "{}", add, None);
        check(vectors, "{}", used, Some("deletion vectors"));
        let odd = r#"{"minReaderVersion":3,"readerFeatures":["variantType"]}"#;
        check(odd, "{}", add, Some("variantType"));
        let mapped = r#"{"configuration":{"delta.columnMapping.mode":"name"}}"#;
        check(
            r#"{"minReaderVersion":2}"#,
            mapped,
            add,
            Some("column mapping"),
        );
    }
}
