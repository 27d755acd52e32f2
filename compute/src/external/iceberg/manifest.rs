//! Manifest lists and manifests: which files a snapshot has, and what is known of each.
//!
//! Source: Iceberg's specification, "Manifests" and "Manifest Lists".

use super::{Place, damaged, unsupported};
use crate::error::{Error, Result};
use crate::format::avro::value::{Value, each_row};
use blueshift_sql::SqlState;
use futures::{StreamExt, TryStreamExt};
use std::collections::HashMap;

/// Bytes of one list or manifest at most.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Bytes of all manifests of a snapshot.
const MANIFESTS_BYTES_MAX: u64 = 256 << 20;
/// Bytes that a manifest may become when it is read.
const UNPACKED_BYTES_MAX: usize = 512 << 20;
/// Files, and files of deletes, of one snapshot.
const ENTRIES_MAX: usize = 500_000;
/// Manifests that are read at the same time.
const IN_FLIGHT: usize = 8;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Rows,
    PositionDeletes,
    EqualityDeletes,
}

/// A file of a snapshot.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) content: Content,
    /// Where it is, as it is written there.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    /// How it was dealt to its partition.
    pub(super) spec: i64,
    pub(super) partition: Vec<Value>,
    /// When its rows, or deletes, came into the table.
    pub(super) sequence: i64,
    /// What is known of columns, by id.
    pub(super) columns: Known,
    /// The columns that equality deletes are over.
    pub(super) equality_ids: Vec<i32>,
    /// The only file that position deletes are for.
    pub(super) referenced: Option<String>,
}

/// What is known of the columns of a file, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) low: HashMap<i32, Vec<u8>>,
    pub(super) high: HashMap<i32, Vec<u8>>,
    pub(super) nulls: HashMap<i32, i64>,
    pub(super) nans: HashMap<i32, i64>,
}

/// A manifest, as its list tells of it.
struct Manifest {
    path: String,
    bytes: u64,
    spec: i64,
    has_deletes: bool,
    sequence: i64,
}

/// Reads the files of a snapshot that are not gone.
pub(super) async fn entries(place: &Place<'_>, list: &str) -> Result<Vec<Entry>> {
    let file = place.file(list).await?;
    let body = place.body(&file, MANIFEST_BYTES_MAX).await?;
    let mut manifests = Vec::new();
    let read = each_row(&body, UNPACKED_BYTES_MAX, &mut |row| {
        manifests.push(manifest(&row)?);
        Ok(())
    });
    read.map_err(|error| damaged(place.root, &format!("\"{list}\": {error}")))?;
    let bytes: u64 = manifests
        .iter()
        .fold(0, |sum, one| sum.saturating_add(one.bytes));
    if bytes > MANIFESTS_BYTES_MAX {
        return Err(too_much(place.root, "manifests of more than 256 MB"));
    }
    let reads = manifests
        .into_iter()
        .map(|manifest| read_manifest(place, manifest));
    let mut reads = futures::stream::iter(reads).buffered(IN_FLIGHT);
    let mut entries = Vec::new();
    while let Some(more) = reads.try_next().await? {
        entries.extend(more);
        if entries.len() > ENTRIES_MAX {
            return Err(too_much(
                place.root,
                &format!("more than {ENTRIES_MAX} files"),
            ));
        }
    }
    Ok(entries)
}

fn too_much(root: &str, what: &str) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("the snapshot of the Iceberg table at \"{root}\" has {what}"),
        )
        .with_hint("Rewrite its data files and manifests to fewer ones."),
    )
}

fn manifest(row: &Value) -> Result<Manifest, String> {
    let path = row.field("manifest_path").text();
    let bytes = row.field("manifest_length").long();
    if row.field("key_metadata").bytes().is_some() {
        return Err("a manifest is encrypted, which is not supported".to_owned());
    }
    Ok(Manifest {
        path: path.ok_or("a manifest has no manifest_path")?.to_owned(),
        bytes: bytes
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or(0),
        spec: row.field("partition_spec_id").long().unwrap_or(0),
        has_deletes: row.field("content").long() == Some(1),
        // Tables of version 1 have no sequence numbers: they are all 0.
        sequence: row.field("sequence_number").long().unwrap_or(0),
    })
}

async fn read_manifest(place: &Place<'_>, manifest: Manifest) -> Result<Vec<Entry>> {
    let file = place.file(&manifest.path).await?;
    let body = place.body(&file, MANIFEST_BYTES_MAX).await?;
    let mut entries = Vec::new();
    let mut refused = None;
    let read = each_row(&body, UNPACKED_BYTES_MAX, &mut |row| {
        match entry(&row, &manifest) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => {}
            Err(Wrong::Damaged(why)) => return Err(why),
            Err(Wrong::Refused(what)) => {
                refused = Some(what);
                return Err(String::new());
            }
        }
        match entries.len() > ENTRIES_MAX {
            true => Err(format!("it names more than {ENTRIES_MAX} files")),
            false => Ok(()),
        }
    });
    if let Some(what) = refused {
        return Err(unsupported(what));
    }
    read.map_err(|error| damaged(place.root, &format!("\"{}\": {error}", manifest.path)))?;
    Ok(entries)
}

/// Why an entry cannot be read.
enum Wrong {
    Damaged(String),
    Refused(String),
}

impl From<&str> for Wrong {
    fn from(why: &str) -> Self {
        Self::Damaged(why.to_owned())
    }
}

/// An entry that says so is gone.
const DELETED: i64 = 2;

fn entry(row: &Value, manifest: &Manifest) -> Result<Option<Entry>, Wrong> {
    let file = row.field("data_file");
    if row.field("status").long() == Some(DELETED) {
        return Ok(None);
    }
    let content = match file.field("content").long().unwrap_or(0) {
        0 if !manifest.has_deletes => Content::Rows,
        1 if manifest.has_deletes => Content::PositionDeletes,
        2 if manifest.has_deletes => Content::EqualityDeletes,
        _ => return Err("a file has a content that its manifest cannot have".into()),
    };
    let format = file.field("file_format").text().unwrap_or_default();
    match format.to_uppercase().as_str() {
        "PARQUET" => {}
        "PUFFIN" => {
            let what = "deletion vectors in Puffin files of an Iceberg table";
            return Err(Wrong::Refused(what.to_owned()));
        }
        "ORC" | "AVRO" => {
            let what = format!("files of format {format} of an Iceberg table");
            return Err(Wrong::Refused(what));
        }
        _ => return Err("a file has no file_format".into()),
    }
    if file.field("key_metadata").bytes().is_some() {
        let what = "encrypted files of an Iceberg table";
        return Err(Wrong::Refused(what.to_owned()));
    }
    let count = |name: &str| {
        let value = file.field(name).long();
        value.and_then(|value| u64::try_from(value).ok())
    };
    let ids = file.field("equality_ids").elements().iter();
    let ids = ids.filter_map(|id| i32::try_from(id.long()?).ok());
    let partition = match file.field("partition") {
        Value::Record(_, values) => values.clone(),
        _ => Vec::new(),
    };
    let path = file.field("file_path").text();
    Ok(Some(Entry {
        content,
        path: path.ok_or("a file has no file_path")?.to_owned(),
        bytes: count("file_size_in_bytes").ok_or("a file has no file_size_in_bytes")?,
        rows: count("record_count").ok_or("a file has no record_count")?,
        spec: manifest.spec,
        partition,
        sequence: row
            .field("sequence_number")
            .long()
            .unwrap_or(manifest.sequence),
        columns: Known {
            low: by_id(file.field("lower_bounds"), |value| {
                Some(value.bytes()?.to_vec())
            }),
            high: by_id(file.field("upper_bounds"), |value| {
                Some(value.bytes()?.to_vec())
            }),
            nulls: by_id(file.field("null_value_counts"), Value::long),
            nans: by_id(file.field("nan_value_counts"), Value::long),
        },
        equality_ids: ids.collect(),
        referenced: file.field("referenced_data_file").text().map(str::to_owned),
    }))
}

/// Reads a map by ids, which is a list of keys and values.
fn by_id<T>(entries: &Value, read: impl Fn(&Value) -> Option<T>) -> HashMap<i32, T> {
    let entries = entries.elements().iter();
    let known = entries.filter_map(|entry| {
        let id = i32::try_from(entry.field("key").long()?).ok()?;
        Some((id, read(entry.field("value"))?))
    });
    known.collect()
}
