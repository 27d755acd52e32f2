//! The files of an Iceberg table: its newest metadata file, the manifests of its current snapshot, and what they say of
//! each file: the partition, bounds of columns, and which files delete rows of which others.
//!
//! Columns are found in files by the ids of their fields, so that they may be renamed, reordered, dropped and made anew.
//! Nothing is written. What a reader must know and this one does not is refused by name.
//!
//! Source: Iceberg's specification, versions 1 and 2.

mod metadata;
mod manifest;
mod transform;
mod types;

use super::bounds::{Bound, Bounds};
use super::deletes::{DeletedRows, EqualityDeletes, OpenNotes, PositionDeletes};
use super::list::{Access, FileLists};
use super::open::OpenTable;
use super::{ExternalColumn, ExternalFile, ExternalPartition};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use bytes::Bytes;
use manifest::{Content, Entry};
use metadata::Metadata;
use object_store::ObjectStoreExt;
use std::collections::HashMap;
use std::sync::Arc;
use transform::{Range, Transform};
use types::{Field, Plain, Single, Type};

/// The field of position deletes that names the file.
const FILE_PATH_ID: i32 = 2_147_483_546;
/// Pairs of a file and another that deletes rows of it.
const DELETE_PAIRS_MAX: usize = 10_000_000;

/// Where a table is, and how it is reached.
struct Place<'a> {
    access: &'a Access,
    lists: &'a FileLists,
    root: &'a str,
}

impl Place<'_> {
    /// Finds a file that the table names.
    async fn file(&self, path: &str) -> Result<ExternalFile> {
        let url = url(path);
        let found = self.lists.file(self.access, &url).await?;
        found.ok_or_else(|| damaged(self.root, &format!("\"{url}\" is not there")))
    }

    /// Reads a file of at most so many bytes.
    async fn body(&self, file: &ExternalFile, bytes_max: u64) -> Result<Bytes> {
        if file.meta.size > bytes_max {
            return Err(Error::Sql(blueshift_sql::Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("\"{}\" is larger than {bytes_max} bytes", file.url),
            )));
        }
        let failed = |error| crate::object::failed(&file.url, &error);
        let got = file.store.get(&file.meta.location).await.map_err(failed)?;
        got.bytes().await.map_err(failed)
    }
}

/// Writes the path of a file as the server does.
fn url(path: &str) -> String {
    for scheme in ["s3a://", "s3n://"] {
        if let Some(rest) = path.strip_prefix(scheme) {
            return format!("s3://{rest}");
        }
    }
    // Other programs write file:/path for file:///path.
    let local = path.strip_prefix("file:").unwrap_or(path);
    match local.starts_with('/') {
        true => format!("file:///{}", local.trim_start_matches('/')),
        false => path.to_owned(),
    }
}

fn damaged(root: &str, reason: &str) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!("could not read the Iceberg table at \"{root}\": {reason}"),
        )
        .with_hint(
            "Name the folder that has the folder metadata in it, or give the table property metadata_location.",
        ),
    )
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::Sql(blueshift_sql::Error::unsupported(
        what,
        "Write the table without it, in format version 2 with data files of Parquet.",
    ))
}

/// Refuses a column that the table does not have: it may have been renamed.
pub(super) fn no_column(table: &str, column: &str, known: &[String]) -> Error {
    let mut names = known.join(", ");
    if names.len() > 500 {
        let end = names.floor_char_boundary(500);
        names.truncate(end);
        names.push_str(", ...");
    }
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!(
                "column \"{column}\" of external table \"{table}\" is not in its Iceberg table"
            ),
        )
        .with_detail(format!("The table has the columns {names}."))
        .with_hint("Make the external table anew with the columns that the Iceberg table has now."),
    )
}

/// Reads the table at a location, or whose metadata file is named; `columns` are those it was declared with.
pub(super) async fn read(
    access: &Access,
    lists: &FileLists,
    location: &str,
    named: Option<&str>,
    columns: &[ExternalColumn],
) -> Result<OpenTable> {
    let place = Place {
        access,
        lists,
        root: location.trim_end_matches('/'),
    };
    let metadata = metadata::read(&place, named).await?;
    let entries = match &metadata.manifest_list {
        Some(list) => manifest::entries(&place, list).await?,
        None => Vec::new(),
    };
    let (rows, deletes): (Vec<Entry>, Vec<Entry>) = entries
        .into_iter()
        .partition(|entry| entry.content == Content::Rows);
    let files = place.files(&rows)?;
    let mut table = OpenTable {
        notes: notes(&place, &metadata, &rows, &deletes)?,
        partitions: files
            .iter()
            .map(|file| ExternalPartition {
                values: Vec::new(),
                location: file.url.to_string(),
            })
            .collect(),
        files,
        groups: groups(&rows),
        bounds: bounds(&metadata, &rows, columns)?,
        calls: Arc::default(),
        is_partitioned: metadata.is_partitioned,
        columns: Some(
            metadata
                .fields
                .iter()
                .map(|field| field.name.to_lowercase())
                .collect(),
        ),
    };
    let names = metadata.name_mapping.as_ref();
    let calls = columns.iter().filter_map(|column| {
        let field = field_of(&metadata, &column.name)?;
        Some((column.name.clone(), field.called(names)))
    });
    table.calls = Arc::new(calls.collect());
    Ok(table)
}

impl Place<'_> {
    /// Makes the files of entries, whose sizes are known.
    fn files(&self, entries: &[Entry]) -> Result<Vec<ExternalFile>> {
        let named = entries.iter().map(|entry| (url(&entry.path), entry.bytes));
        self.lists.known_files(self.access, named)
    }
}

fn field_of<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a Field> {
    let mut exact = metadata.fields.iter().filter(|field| field.name == name);
    let mut alike = metadata
        .fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case(name));
    exact.next().or_else(|| alike.next())
}

/// Numbers the partitions of files.
fn groups(rows: &[Entry]) -> Vec<u32> {
    let mut known = HashMap::new();
    let groups = rows.iter().map(|entry| {
        let next = known.len() as u32;
        *known.entry((entry.spec, &entry.partition)).or_insert(next)
    });
    groups.collect()
}

/// Gathers between which values the declared columns of each file lie.
fn bounds(metadata: &Metadata, rows: &[Entry], columns: &[ExternalColumn]) -> Result<Bounds> {
    let mut bounds = Bounds::new(rows.iter().map(|entry| Some(entry.rows)).collect());
    for column in columns {
        let field = field_of(metadata, &column.name);
        if let Some(Field {
            id,
            ty: Type::Plain(plain),
            ..
        }) = field
        {
            let of_files = rows
                .iter()
                .map(|entry| bound(metadata, entry, *id, *plain, column));
            bounds.add(&column.name, of_files.collect())?;
        }
    }
    Ok(bounds)
}

fn bound(
    metadata: &Metadata,
    entry: &Entry,
    id: i32,
    plain: Plain,
    column: &ExternalColumn,
) -> Bound {
    let columns = &entry.columns;
    let read = |bytes: Option<&Vec<u8>>| bytes.and_then(|bytes| plain.read_value(bytes));
    let mut low = read(columns.low.get(&id));
    let mut high = read(columns.high.get(&id));
    let nulls = columns.nulls.get(&id);
    let mut nulls = nulls.and_then(|nulls| u64::try_from(*nulls).ok());
    let spec = metadata.specs.get(&entry.spec).into_iter().flatten();
    for (field, value) in spec.zip(&entry.partition) {
        if field.source != id {
            continue;
        }
        let range: Range = field.transform.range(plain, value);
        low = tighter(low, range.low, |one, other| one > other);
        high = tighter(high, range.high, |one, other| one < other);
        match range.is_null {
            Some(true) => nulls = Some(entry.rows),
            Some(false) => nulls = Some(0),
            None => {}
        }
    }
    // NaN is greater than all numbers, and no bound tells of it.
    let is_real = matches!(plain, Plain::Float | Plain::Double);
    if is_real && columns.nans.get(&id) != Some(&0) {
        high = None;
    }
    Bound {
        low: plain.bound(low.as_ref(), column.ty, true),
        high: plain.bound(high.as_ref(), column.ty, false),
        nulls,
    }
}

fn tighter(
    known: Option<Single>,
    other: Option<Single>,
    is_tighter: impl Fn(&Single, &Single) -> bool,
) -> Option<Single> {
    match (known, other) {
        (Some(known), Some(other)) if is_tighter(&other, &known) => Some(other),
        (None, other) => other,
        (known, _) => known,
    }
}

/// The files of deletes, by what they are for.
#[derive(Default)]
struct Deletes<'a> {
    by_partition: HashMap<(i64, &'a [crate::format::avro::value::Value]), Vec<usize>>,
    by_path: HashMap<&'a str, Vec<usize>>,
    everywhere: Vec<usize>,
}

/// What a file of deletes does.
enum Deleting {
    Positions(Arc<PositionDeletes>),
    Equality(Arc<EqualityDeletes>),
}

/// Finds out what is to be done with each file: which deletes are for it, by the rules of "Scan Planning".
fn notes(
    place: &Place<'_>,
    metadata: &Metadata,
    rows: &[Entry],
    deletes: &[Entry],
) -> Result<Vec<Option<Arc<OpenNotes>>>> {
    let files = place.files(deletes)?;
    let held = Arc::new(DeletedRows::default());
    let made = deletes.iter().zip(files);
    let made = made.map(|(entry, file)| deleting(metadata, entry, file, &held));
    let made: Vec<Deleting> = made.collect::<Result<_>>()?;
    let mut index = Deletes::default();
    for (place, entry) in deletes.iter().enumerate() {
        let is_whole = metadata.specs.get(&entry.spec).is_none_or(Vec::is_empty);
        match (&entry.referenced, entry.content) {
            (Some(path), _) => index.by_path.entry(path).or_default().push(place),
            (None, Content::EqualityDeletes) if is_whole => index.everywhere.push(place),
            _ => {
                let key = (entry.spec, entry.partition.as_slice());
                index.by_partition.entry(key).or_default().push(place);
            }
        }
    }
    let mut pairs = 0_usize;
    let mut notes = Vec::with_capacity(rows.len());
    for entry in rows {
        let key = (entry.spec, entry.partition.as_slice());
        let own = index.by_partition.get(&key).into_iter().flatten();
        let own = own.chain(index.by_path.get(entry.path.as_str()).into_iter().flatten());
        let own = own.chain(&index.everywhere);
        let mut note = OpenNotes::by_id(
            entry.path.clone(),
            metadata.name_mapping.is_some(),
            in_file(metadata, entry),
        );
        for place in own {
            pairs += 1;
            if pairs > DELETE_PAIRS_MAX {
                return Err(Error::Sql(
                    blueshift_sql::Error::new(
                        SqlState::PROGRAM_LIMIT_EXCEEDED,
                        "the Iceberg table has more files of deletes than can be applied",
                    )
                    .with_hint("Compact the table."),
                ));
            }
            let (Some(delete), Some(made)) = (deletes.get(*place), made.get(*place)) else {
                continue;
            };
            match made {
                Deleting::Positions(made)
                    if delete.sequence >= entry.sequence && may_name(delete, &entry.path) =>
                {
                    note.positions.push(Arc::clone(made));
                }
                Deleting::Equality(made) if delete.sequence > entry.sequence => {
                    note.equalities.push(Arc::clone(made));
                }
                _ => {}
            }
        }
        notes.push(Some(Arc::new(note)));
    }
    Ok(notes)
}

/// Tells whether position deletes can be of a file, by the bounds of the paths that they name.
fn may_name(delete: &Entry, path: &str) -> bool {
    let low = delete.columns.low.get(&FILE_PATH_ID);
    let high = delete.columns.high.get(&FILE_PATH_ID);
    low.is_none_or(|low| low.as_slice() <= path.as_bytes())
        && high.is_none_or(|high| high.as_slice() >= path.as_bytes())
}

/// Gives the columns that a file must have: those that its partition is named by.
fn in_file(metadata: &Metadata, entry: &Entry) -> Vec<i32> {
    let spec = metadata.specs.get(&entry.spec).into_iter().flatten();
    let named = spec.filter(|field| field.transform == Transform::Identity);
    let is_column = |id: &i32| metadata.fields.iter().any(|field| field.id == *id);
    named.map(|field| field.source).filter(is_column).collect()
}

fn deleting(
    metadata: &Metadata,
    entry: &Entry,
    file: ExternalFile,
    held: &Arc<DeletedRows>,
) -> Result<Deleting> {
    if entry.content == Content::PositionDeletes {
        let made = PositionDeletes::new(file, Arc::clone(held));
        return Ok(Deleting::Positions(Arc::new(made)));
    }
    let columns = entry
        .equality_ids
        .iter()
        .map(|id| match metadata.types.get(id) {
            Some(plain) => Ok((*id, plain.arrow())),
            None => Err(unsupported(
                "equality deletes of an Iceberg table by a column of a type with parts",
            )),
        });
    let columns: Vec<_> = columns.collect::<Result<_>>()?;
    if columns.is_empty() {
        return Err(unsupported(
            "equality deletes of an Iceberg table without columns",
        ));
    }
    let made = EqualityDeletes::new(file, columns, Arc::clone(held));
    Ok(Deleting::Equality(Arc::new(made)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_alike() {
        let check = |path: &str, expected: &str| assert_eq!(url(path), expected);
        check("s3a://b/k", "s3://b/k");
        check("s3://b/k", "s3://b/k");
        check("file:/a/b", "file:///a/b");
        check("file:///a/b", "file:///a/b");
        check("/a/b", "file:///a/b");
        check("hdfs://n/a", "hdfs://n/a");
    }
}
