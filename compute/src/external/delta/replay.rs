//! The log of a Delta table, replayed: the newest checkpoint that is whole, and the commits behind it.
//!
//! A commit is a file of JSON. A checkpoint is one file or several, of Parquet or JSON, whose rows are the same actions; it
//! may leave those on files to other files, its sidecars.
//!
//! Source: Delta's protocol, "Delta Table Specification", "Checkpoints" and "V2 Spec".

use super::{unsupported, wrong};
use crate::error::{Error, Result};
use crate::external::ExternalFile;
use crate::external::list::{Access, FileLists};
use crate::format::parquet::nested;
use arrow::array::Array;
use blueshift_sql::SqlState;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::collections::BTreeMap;

/// The folder of the log.
pub(super) const LOG: &str = "_delta_log/";
/// The folder of sidecars within it.
const SIDECARS: &str = "_sidecars/";
/// Bytes of the log that are read at most.
const LOG_BYTES_MAX: u64 = 1 << 30;
/// Files that the log of a table may name at the same time.
const FILES_MAX: usize = 1_000_000;
/// The actions that are read of a checkpoint.
const ACTIONS: [&str; 4] = ["add", "protocol", "metaData", "sidecar"];

/// What the log says.
#[derive(Default)]
pub(super) struct Log {
    /// `add` by path and deletion vector.
    pub(super) files: BTreeMap<(String, String), Value>,
    pub(super) protocol: Value,
    pub(super) metadata: Value,
    /// `sidecar` of a checkpoint.
    sidecars: Vec<Value>,
}

/// The parts of a name in the log: its version and what follows.
fn versioned(file: &ExternalFile) -> Option<(u64, &str)> {
    let name = file.url.rsplit('/').next()?;
    let (version, rest) = name.split_once('.')?;
    let is_version = version.len() == 20 && version.bytes().all(|byte| byte.is_ascii_digit());
    Some((version.parse().ok().filter(|_| is_version)?, rest))
}

/// Where a log is.
pub(super) struct Place<'a> {
    pub(super) access: &'a Access,
    pub(super) lists: &'a FileLists,
    pub(super) root: &'a str,
}

/// Bytes of a log that may still be read.
struct Budget(u64);

impl Budget {
    fn spend(&mut self, root: &str, bytes: u64) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            Error::Sql(blueshift_sql::Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("the log of the Delta table at \"{root}\" is larger than 1 GB"),
            ))
        })?;
        Ok(())
    }
}

/// Reads the newest checkpoint that is whole, and the commits behind it.
pub(super) async fn replayed(place: &Place<'_>, names: &[ExternalFile]) -> Result<Log> {
    let root = place.root;
    let mut budget = Budget(LOG_BYTES_MAX);
    let mut log = Log::default();
    let mut next = 0;
    if let Some((version, parts)) = checkpoint(names) {
        for part in parts {
            budget.spend(root, part.meta.size)?;
            apply_checkpoint(&mut log, part, root).await?;
        }
        apply_sidecars(&mut log, place, &mut budget).await?;
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
        budget.spend(root, file.meta.size)?;
        apply_lines(&mut log, &body(file).await?, root)?;
        next = version + 1;
    }
    match next {
        0 => Err(wrong(root, "its log holds no version")),
        _ => Ok(log),
    }
}

/// Takes the actions of lines of JSON. Those of one commit are applied together: a file may be removed and added with
/// another deletion vector in any order.
fn apply_lines(log: &mut Log, body: &[u8], root: &str) -> Result<()> {
    let mut actions = Vec::new();
    for line in body.split(|byte| *byte == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let action: Value =
            serde_json::from_slice(line).map_err(|error| wrong(root, &error.to_string()))?;
        actions.push(action);
    }
    let is_remove = |action: &Value| action.get("remove").is_some();
    let (removes, others): (Vec<Value>, Vec<Value>) = actions.into_iter().partition(is_remove);
    for action in removes.into_iter().chain(others) {
        log.apply(action);
    }
    ensure_count(log, root)
}

fn ensure_count(log: &Log, root: &str) -> Result<()> {
    match log.files.len() <= FILES_MAX {
        true => Ok(()),
        false => Err(Error::Sql(
            blueshift_sql::Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("the Delta table at \"{root}\" has more than {FILES_MAX} files"),
            )
            .with_hint("Rewrite them to fewer ones."),
        )),
    }
}

async fn body(file: &ExternalFile) -> Result<Bytes> {
    let failed = |error| crate::object::failed(&file.url, &error);
    let got = file.store.get(&file.meta.location).await.map_err(failed)?;
    got.bytes().await.map_err(failed)
}

/// Finds the newest checkpoint of which all parts are there.
fn checkpoint(names: &[ExternalFile]) -> Option<(u64, Vec<&ExternalFile>)> {
    let mut found: BTreeMap<(u64, usize, &str), Vec<&ExternalFile>> = BTreeMap::new();
    for file in names {
        let Some((version, rest)) = versioned(file) else {
            continue;
        };
        let Some(rest) = rest.strip_prefix("checkpoint.") else {
            continue;
        };
        let (parts, own) = match rest.split('.').collect::<Vec<_>>().as_slice() {
            ["parquet"] => (1, ""),
            [_, count, "parquet"] if count.len() == 10 => (count.parse().unwrap_or(0), ""),
            // Of version 2, with a name of its own.
            [own, "parquet" | "json"] => (1, *own),
            _ => continue,
        };
        found.entry((version, parts, own)).or_default().push(file);
    }
    let whole = found.into_iter().rev();
    let mut whole = whole.filter(|((_, parts, _), files)| files.len() == *parts);
    whole.next().map(|((version, ..), files)| (version, files))
}

/// Takes the actions of a file of a checkpoint.
async fn apply_checkpoint(log: &mut Log, file: &ExternalFile, root: &str) -> Result<()> {
    let body = body(file).await?;
    match file.url.ends_with(".json") {
        true => apply_lines(log, &body, root),
        false => apply_rows(log, body, root),
    }
}

/// Takes the actions of the rows of a file of Parquet, which have one each.
fn apply_rows(log: &mut Log, body: Bytes, root: &str) -> Result<()> {
    let failed = |error: String| wrong(root, &error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(body);
    let builder = builder.map_err(|error| failed(error.to_string()))?;
    let reader = builder.build().map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    for batch in reader {
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        for name in ACTIONS {
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
        ensure_count(log, root)?;
    }
    Ok(())
}

/// Takes the actions of the sidecars of a checkpoint.
async fn apply_sidecars(log: &mut Log, place: &Place<'_>, budget: &mut Budget) -> Result<()> {
    let root = place.root;
    for sidecar in std::mem::take(&mut log.sidecars) {
        let path = sidecar.get("path").and_then(Value::as_str);
        let path = path.ok_or_else(|| wrong(root, "a sidecar of its checkpoint has no path"))?;
        if path.contains('/') {
            return Err(unsupported("sidecars of a Delta table outside its log"));
        }
        let url = format!("{root}/{LOG}{SIDECARS}{path}");
        let found = place.lists.file(place.access, &url).await?;
        let file = found.ok_or_else(|| wrong(root, &format!("\"{url}\" is not there")))?;
        budget.spend(root, file.meta.size)?;
        apply_rows(log, body(&file).await?, root)?;
    }
    Ok(())
}

impl Log {
    pub(super) fn apply(&mut self, action: Value) {
        let Value::Object(action) = action else {
            return;
        };
        for (kind, action) in action {
            if action.is_null() {
                continue;
            }
            let path = action.get("path").and_then(Value::as_str).map(decoded);
            let key = path.map(|path| (path, vector_of(&action)));
            match (kind.as_str(), key) {
                ("add", Some(key)) => {
                    self.files.insert(key, action);
                }
                ("remove", Some(key)) => {
                    self.files.remove(&key);
                }
                ("sidecar", Some(_)) => self.sidecars.push(action),
                ("protocol", _) => self.protocol = action,
                ("metaData", _) => self.metadata = action,
                _ => {}
            }
        }
    }
}

/// Gives what tells the deletion vector of a file from others; nothing if it has none.
fn vector_of(action: &Value) -> String {
    let vector = action.get("deletionVector");
    let Some(vector) = vector.filter(|vector| !vector.is_null()) else {
        return String::new();
    };
    let part = |name: &str| vector.get(name).map(Value::to_string).unwrap_or_default();
    let offset = vector.get("offset").and_then(Value::as_i64).unwrap_or(0);
    format!("{}{}@{offset}", part("storageType"), part("pathOrInlineDv"))
}

/// Reads the path of a file, which is written as in a URL.
pub(super) fn decoded(path: &str) -> String {
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
            .map(|((path, _), add)| (path.as_str(), add.get("size").and_then(Value::as_i64)))
            .collect();
        assert_eq!(sizes, [("a b", Some(1)), ("c", Some(3))]);
    }

    #[test]
    fn a_file_with_another_vector_is_another() {
        let mut log = Log::default();
        let first = r#"{"add":{"path":"a","deletionVector":{"storageType":"u","pathOrInlineDv":"x","offset":1}}}"#;
        let second = concat!(
            r#"{"add":{"path":"a","deletionVector":{"storageType":"u","pathOrInlineDv":"x","offset":9}}}"#,
            "\n",
            r#"{"remove":{"path":"a","deletionVector":{"storageType":"u","pathOrInlineDv":"x","offset":1}}}"#
        );
        for lines in [first, second] {
            apply_lines(&mut log, lines.as_bytes(), "s3://b/t").expect("actions");
        }
        let keys: Vec<_> = log
            .files
            .keys()
            .map(|(_, vector)| vector.as_str())
            .collect();
        assert_eq!(keys, ["\"u\"\"x\"@9"]);
    }
}
