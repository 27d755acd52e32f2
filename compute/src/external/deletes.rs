//! Which rows of a file of an open table format are deleted, found when the file is read: the reader then passes over them
//! before it tests any condition.
//!
//! Rows are deleted by their positions, or by the values of some columns, which are read of the file first. Files of
//! deletes are read once for all files that they are for.

use super::ExternalFile;
use super::called::{Called, has_ids};
use super::footer::{FileReader, footer_of, reader};
use super::named::{name, unwrapped};
use super::roaring;
use crate::object::failed;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::Int64Type;
use arrow::row::{RowConverter, SortField};
use arrow_schema::{DataType, Schema};
use blueshift_sql::SqlState;
use datafusion::common::internal_err;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::error::{DataFusionError, Result};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use datafusion::parquet::arrow::async_reader::{
    ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use datafusion::parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use datafusion::parquet::errors::ParquetError;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;

/// Deleted rows, and keys of deleted rows, that are held for one table at the same time.
const DELETED_MAX: u64 = 50_000_000;
/// Bytes of keys of deleted rows that are held for one table.
const KEY_BYTES_MAX: u64 = 1 << 30;
/// Bytes of one deletion vector.
const VECTOR_BYTES_MAX: u64 = 256 << 20;
/// Rows that are read of a file at a time.
const BATCH_ROWS: usize = 8_192;
/// Columns of position deletes, with the ids that the specification of Iceberg gives them.
const POSITION_COLUMNS: [(i32, &str); 2] = [(2_147_483_546, "file_path"), (2_147_483_545, "pos")];

/// What is held of the deletes of one table.
#[derive(Debug, Default)]
pub(super) struct DeletedRows {
    rows: AtomicU64,
    key_bytes: AtomicU64,
}

impl DeletedRows {
    /// Counts more of them; fails if they are too many.
    pub(super) fn hold(&self, rows: usize, key_bytes: usize) -> Result<()> {
        let add = |held: &AtomicU64, more: usize, most: u64| {
            let more = more as u64;
            let fits = |before: u64| before.checked_add(more).filter(|after| *after <= most);
            let added = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
            added.is_ok()
        };
        if add(&self.rows, rows, DELETED_MAX) && add(&self.key_bytes, key_bytes, KEY_BYTES_MAX) {
            return Ok(());
        }
        let told = blueshift_sql::Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("the table has more than {DELETED_MAX} deleted rows, or keys of them of more than 1 GB"),
        )
        .with_hint("Compact the table, so that deleted rows leave its files.");
        Err(crate::error::Error::Sql(told).into())
    }
}

/// Says of an error of reading which file it is of.
fn of_file(error: ParquetError, file: &ExternalFile) -> DataFusionError {
    name(unwrapped(error.into()), &file.url)
}

/// A file of deletes by position.
#[derive(Debug)]
pub(super) struct PositionDeletes {
    file: ExternalFile,
    held: Arc<DeletedRows>,
    /// Positions by file.
    rows: OnceCell<HashMap<String, Vec<u64>>>,
}

impl PositionDeletes {
    /// Names the file.
    pub(super) fn new(file: ExternalFile, held: Arc<DeletedRows>) -> Self {
        Self {
            file,
            held,
            rows: OnceCell::new(),
        }
    }

    async fn rows(&self) -> Result<&HashMap<String, Vec<u64>>> {
        self.rows.get_or_try_init(|| self.read()).await
    }

    async fn read(&self) -> Result<HashMap<String, Vec<u64>>> {
        let wanted = POSITION_COLUMNS.map(|(id, name)| Called {
            id: Some(id),
            names: vec![name.to_owned()],
            parts: Vec::new(),
        });
        let mut columns = Columns::open(&self.file, &wanted).await?;
        let mut rows: HashMap<String, Vec<u64>> = HashMap::new();
        while let Some((batch, _)) = columns.next().await? {
            let [Some(paths), Some(positions)] = batch.as_slice() else {
                return Err(damaged(&self.file, "it has no columns file_path and pos"));
            };
            self.held.hold(paths.len(), 0)?;
            let paths = cast(paths, &DataType::Utf8View)?;
            let positions = cast(positions, &DataType::Int64)?;
            let positions = positions.as_primitive::<Int64Type>();
            for (path, position) in paths.as_string_view().iter().zip(positions) {
                let position = position.and_then(|position| u64::try_from(position).ok());
                let (Some(path), Some(position)) = (path, position) else {
                    return Err(damaged(&self.file, "it has a row without a position"));
                };
                match rows.get_mut(path) {
                    Some(rows) => rows.push(position),
                    None => {
                        rows.insert(path.to_owned(), vec![position]);
                    }
                }
            }
        }
        Ok(rows)
    }
}

fn damaged(file: &ExternalFile, reason: &str) -> DataFusionError {
    let told = blueshift_sql::Error::new(
        SqlState::BAD_COPY_FILE_FORMAT,
        format!("could not read \"{}\": {reason}", file.url),
    )
    .with_hint("Write the table anew with the program that wrote it.");
    crate::error::Error::Sql(told).into()
}

/// A file of deletes by the values of some columns.
#[derive(Debug)]
pub(super) struct EqualityDeletes {
    file: ExternalFile,
    /// The columns, and the types that their values are compared as.
    columns: Vec<(i32, DataType)>,
    held: Arc<DeletedRows>,
    keys: OnceCell<HashSet<Box<[u8]>>>,
}

impl EqualityDeletes {
    /// Names the file and the ids of its columns.
    pub(super) fn new(
        file: ExternalFile,
        columns: Vec<(i32, DataType)>,
        held: Arc<DeletedRows>,
    ) -> Self {
        Self {
            file,
            columns,
            held,
            keys: OnceCell::new(),
        }
    }

    fn wanted(&self) -> Vec<Called> {
        let wanted = self.columns.iter().map(|(id, _)| Called {
            id: Some(*id),
            ..Called::default()
        });
        wanted.collect()
    }

    async fn keys(&self) -> Result<&HashSet<Box<[u8]>>> {
        self.keys.get_or_try_init(|| self.read()).await
    }

    async fn read(&self) -> Result<HashSet<Box<[u8]>>> {
        let mut columns = Columns::open(&self.file, &self.wanted()).await?;
        let converter = self.converter()?;
        let mut keys = HashSet::new();
        while let Some((batch, rows)) = columns.next().await? {
            if batch.iter().any(Option::is_none) {
                return Err(damaged(
                    &self.file,
                    "it does not have the columns it deletes by",
                ));
            }
            let mut bytes = 0;
            let encoded = self.encoded(&converter, &batch, rows)?;
            let before = keys.len();
            for key in &encoded {
                bytes += key.as_ref().len();
                keys.insert(Box::from(key.as_ref()));
            }
            self.held.hold(keys.len() - before, bytes)?;
        }
        Ok(keys)
    }

    fn converter(&self) -> Result<RowConverter> {
        let fields = self.columns.iter();
        let fields = fields.map(|(_, ty)| SortField::new(ty.clone()));
        Ok(RowConverter::new(fields.collect())?)
    }

    /// Makes keys of the columns of some rows. A column that a file does not have is null.
    fn encoded(
        &self,
        converter: &RowConverter,
        batch: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<arrow::row::Rows> {
        let arrays = self
            .columns
            .iter()
            .zip(batch)
            .map(|((_, ty), array)| match array {
                Some(array) => Ok(cast(array, ty)?),
                None => Ok(new_null_array(ty, rows)),
            });
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
        Ok(converter.convert_columns(&arrays)?)
    }

    /// Adds the positions of the rows of a file that have one of the keys.
    async fn find(&self, file: &ExternalFile, found: &mut Vec<u64>) -> Result<()> {
        let keys = self.keys().await?;
        if keys.is_empty() {
            return Ok(());
        }
        let mut columns = Columns::open(file, &self.wanted()).await?;
        let converter = self.converter()?;
        let mut at = 0_u64;
        while let Some((batch, rows)) = columns.next().await? {
            let encoded = self.encoded(&converter, &batch, rows)?;
            let mut hits = 0;
            for (row, key) in encoded.iter().enumerate() {
                if keys.contains(key.as_ref()) {
                    found.push(at + row as u64);
                    hits += 1;
                }
            }
            self.held.hold(hits, 0)?;
            at += rows as u64;
        }
        Ok(())
    }
}

/// Where a deletion vector is.
#[derive(Debug)]
pub(super) enum VectorPlace {
    /// In the log.
    Inline(Vec<u8>),
    /// In a file, behind its length.
    File {
        /// The file, whose size is not known.
        file: ExternalFile,
        /// Where the length is.
        offset: u64,
    },
}

/// A deletion vector: the rows of one file.
#[derive(Debug)]
pub(super) struct VectorDeletes {
    place: VectorPlace,
    bytes: u64,
    count: u64,
    held: Arc<DeletedRows>,
}

impl VectorDeletes {
    /// Says where a vector of so many bytes and rows is.
    pub(super) fn new(place: VectorPlace, bytes: u64, count: u64, held: Arc<DeletedRows>) -> Self {
        Self {
            place,
            bytes,
            count,
            held,
        }
    }

    async fn rows(&self, of: &ExternalFile) -> Result<Vec<u64>> {
        self.held
            .hold(usize::try_from(self.count).unwrap_or(usize::MAX), 0)?;
        if self.bytes > VECTOR_BYTES_MAX {
            return Err(damaged(of, "its deletion vector is larger than 256 MB"));
        }
        let size = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        let (file, rows) = match &self.place {
            VectorPlace::Inline(bytes) => {
                let bytes = bytes.get(..size);
                let bytes = bytes.ok_or_else(|| damaged(of, "its deletion vector ends early"))?;
                (of, roaring::read(bytes, self.count))
            }
            VectorPlace::File { file, offset } => {
                let end = offset.saturating_add(self.bytes).saturating_add(8);
                let got = file
                    .store
                    .get_range(&file.meta.location, *offset..end)
                    .await;
                let got = got.map_err(|error| failed(&file.url, &error))?;
                let rows = framed(&got, size).and_then(|bytes| roaring::read(bytes, self.count));
                (file, rows)
            }
        };
        rows.map_err(|error| damaged(file, &error))
    }
}

/// Takes a vector out of its frame: a length before it, a checksum behind it.
fn framed(bytes: &[u8], size: usize) -> std::result::Result<&[u8], String> {
    let early = || "a deletion vector ends early".to_owned();
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(early)?;
    if u32::from_be_bytes(*length) as usize != size {
        return Err("a deletion vector has another length than the log says".to_owned());
    }
    let (vector, sum) = rest.split_at_checked(size).ok_or_else(early)?;
    let mut crc = flate2::Crc::new();
    crc.update(vector);
    match sum.first_chunk::<4>() == Some(&crc.sum().to_be_bytes()) {
        true => Ok(vector),
        false => Err("the checksum of a deletion vector differs".to_owned()),
    }
}

/// Some columns of a file, read from its beginning.
struct Columns {
    file: ExternalFile,
    stream: ParquetRecordBatchStream<FileReader>,
    /// Where each wanted column is among those that are read, if the file has it.
    places: Vec<Option<usize>>,
}

impl Columns {
    async fn open(file: &ExternalFile, wanted: &[Called]) -> Result<Self> {
        let told = |error| of_file(error, file);
        // What the schema of a writer says besides the file's own would hide the ids.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            ParquetRecordBatchStreamBuilder::new_with_options(reader(file.clone()), options);
        let builder = builder.await.map_err(told)?;
        let fields = builder.schema().fields();
        let found = wanted.iter().map(|called| called.find(fields));
        let found: Vec<Option<usize>> = found.map(|found| Some(found?.0)).collect();
        let mut roots: Vec<usize> = found.iter().flatten().copied().collect();
        roots.sort_unstable();
        roots.dedup();
        let places = found.iter().map(|place| {
            let place = (*place)?;
            roots.iter().position(|root| *root == place)
        });
        let places = places.collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let stream = builder
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(told)?;
        Ok(Self {
            file: file.clone(),
            stream,
            places,
        })
    }

    /// Gives the wanted columns of the next rows, and their count.
    async fn next(&mut self) -> Result<Option<(Vec<Option<ArrayRef>>, usize)>> {
        let batch = self.stream.try_next().await;
        let batch: Option<RecordBatch> = batch.map_err(|error| of_file(error, &self.file))?;
        let Some(batch) = batch else {
            return Ok(None);
        };
        let columns = self.places.iter();
        let columns = columns.map(|place| batch.columns().get((*place)?).cloned());
        Ok(Some((columns.collect(), batch.num_rows())))
    }
}

/// What is done with a file of an open table format before it is read.
#[derive(Debug, Default)]
pub(super) struct OpenNotes {
    /// Its path as files of deletes name it.
    path: String,
    /// Whether its columns are found by ids.
    is_by_id: bool,
    /// Whether the table has names for columns without ids.
    has_names: bool,
    /// Ids of columns that it must have: those that its partition is named by.
    in_file: Vec<i32>,
    /// The deletes that are for it.
    pub(super) positions: Vec<Arc<PositionDeletes>>,
    pub(super) equalities: Vec<Arc<EqualityDeletes>>,
    vector: Option<VectorDeletes>,
    /// What was found, for all parts of the file.
    selection: OnceCell<Option<RowSelection>>,
}

impl OpenNotes {
    /// Notes that the columns of a file are found by their ids, or by the names that the table has for them.
    pub(super) fn by_id(path: String, has_names: bool, in_file: Vec<i32>) -> Self {
        Self {
            path,
            is_by_id: true,
            has_names,
            in_file,
            ..Self::default()
        }
    }

    /// Notes the deletion vector of a file, and whether its columns are found by their ids.
    pub(super) fn with_vector(vector: Option<VectorDeletes>, is_by_id: bool) -> Self {
        Self {
            is_by_id,
            has_names: true,
            vector,
            ..Self::default()
        }
    }

    /// Makes a file ready to be read.
    pub(super) async fn prepare(&self, file: PartitionedFile) -> Result<PartitionedFile> {
        let Some(known) = file.extension::<ExternalFile>().cloned() else {
            return internal_err!("a file of an external table without its store");
        };
        let told = |error| of_file(error, &known);
        let footer = footer_of(known.clone()).await.map_err(told)?;
        let mut file = file;
        if self.is_by_id {
            // Without what the writer says of its own schema, so that ids are not hidden.
            let schema = parquet_to_arrow_schema(footer.file_metadata().schema_descr(), None);
            let schema = schema.map_err(told)?;
            self.check(&schema, &known)?;
            file = file.with_arrow_schema(Arc::new(schema));
        }
        let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0);
        let selection = self.selection.get_or_try_init(|| self.select(&known, rows));
        if let Some(selection) = selection.await? {
            file = file.with_extension(ParquetRowSelection::new(selection.clone()));
        }
        Ok(file)
    }

    fn check(&self, schema: &Schema, file: &ExternalFile) -> Result<()> {
        let fields = schema.fields();
        if !has_ids(fields) && !fields.is_empty() {
            return match self.has_names && self.equalities.is_empty() {
                true => Ok(()),
                false => Err(refused(format!(
                    "\"{}\", a file of an Iceberg table without field ids, and without names for them or with rows \
                     deleted by equality,",
                    file.url
                ))),
            };
        }
        let is_there = |id: &i32| {
            let called = Called {
                id: Some(*id),
                ..Called::default()
            };
            called.find(fields).is_some()
        };
        match self.in_file.iter().all(is_there) {
            true => Ok(()),
            false => Err(refused(format!(
                "\"{}\", a file of an Iceberg table without the columns of its partition,",
                file.url
            ))),
        }
    }

    async fn select(&self, file: &ExternalFile, rows: u64) -> Result<Option<RowSelection>> {
        let mut deleted = Vec::new();
        for positions in &self.positions {
            let found = positions.rows().await?.get(&self.path);
            deleted.extend(found.into_iter().flatten());
        }
        if let Some(vector) = &self.vector {
            deleted.extend(vector.rows(file).await?);
        }
        for equality in &self.equalities {
            equality.find(file, &mut deleted).await?;
        }
        Ok(selected(deleted, rows))
    }
}

fn refused(what: String) -> DataFusionError {
    let told = blueshift_sql::Error::unsupported(
        what,
        "Write the table anew, so that its files hold all of its columns with their ids.",
    );
    crate::error::Error::Sql(told).into()
}

/// Selects the rows that are not deleted; `None` if all are.
fn selected(mut deleted: Vec<u64>, rows: u64) -> Option<RowSelection> {
    deleted.sort_unstable();
    deleted.dedup();
    let end = deleted.partition_point(|row| *row < rows);
    deleted.truncate(end);
    if deleted.is_empty() {
        return None;
    }
    let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for row in deleted {
        if row > next {
            selectors.push(RowSelector::select(count(row - next)));
        }
        match selectors.last_mut().filter(|last| last.skip) {
            Some(last) => last.row_count += 1,
            None => selectors.push(RowSelector::skip(1)),
        }
        next = row + 1;
    }
    if next < rows {
        selectors.push(RowSelector::select(count(rows - next)));
    }
    Some(selectors.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_left_are_selected() {
        let check = |deleted: &[u64], rows: u64, expected: &[(bool, usize)]| {
            let selection = selected(deleted.to_vec(), rows);
            let found: Vec<(bool, usize)> = selection
                .iter()
                .flat_map(RowSelection::iter)
                .map(|part| (part.skip, part.row_count))
                .collect();
            assert_eq!(found, expected, "{deleted:?}");
        };
        check(&[], 10, &[]);
        check(&[12, 10], 10, &[]);
        check(&[0], 3, &[(true, 1), (false, 2)]);
        check(&[4, 2, 3, 3], 6, &[(false, 2), (true, 3), (false, 1)]);
        check(&[0, 1], 2, &[(true, 2)]);
        check(&[2], 3, &[(false, 2), (true, 1)]);
    }

    #[test]
    fn what_is_held_has_a_bound() {
        let held = DeletedRows::default();
        held.hold(1_000, 1_000).expect("room");
        assert!(held.hold(DELETED_MAX as usize, 0).is_err());
        let held = DeletedRows::default();
        assert!(held.hold(1, KEY_BYTES_MAX as usize + 1).is_err());
    }
}
