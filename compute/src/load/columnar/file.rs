//! A Parquet file that is open: its footer, read and checked against the table.

use super::scan_error;
use crate::error::{Error, Result};
use crate::format::delimited::problem::Problem;
use crate::format::parquet::schema::{self, Way};
use crate::load::parse::Parser;
use crate::load::source::Source;
use crate::load::{LoadColumn, LoadProgress, LoadedFile};
use crate::object::{failed, for_slice};
use blueshift_sql::{SqlState, SqlType};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The end of a file that is read at first: footers are mostly smaller.
const TAIL_BYTES: u64 = 64 << 10;
/// Bytes of a footer at most.
const FOOTER_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a row group at most, as it is stored: it is held in memory while it is read.
const GROUP_BYTES_MAX: i64 = 1 << 30;
/// Behind the footer: its length and the mark of the format.
const END_BYTES: u64 = 8;

/// An open file.
pub(super) struct OpenFile {
    pub(super) url: Arc<str>,
    pub(super) slice: u32,
    pub(super) reader: ObjectReader,
    pub(super) metadata: ArrowReaderMetadata,
    /// By the columns of the table; `None` for one that is not loaded from the file.
    pub(super) ways: Vec<Option<Way>>,
    /// Rows before each row group.
    pub(super) rows_before: Vec<u64>,
    /// Row groups that are not read yet.
    pub(super) groups_left: AtomicUsize,
    begun: Instant,
}

impl OpenFile {
    /// Reads the footer, and checks that the columns fit the table.
    pub(super) async fn open(source: Source, parser: &Parser) -> Result<Self> {
        let begun = Instant::now();
        let url: Arc<str> = source.url.as_str().into();
        if let Some(progress) = parser.progress.slice(source.slice) {
            progress.begin_file(&url);
        }
        let reader = ObjectReader {
            store: source.store,
            path: source.path,
            bytes: source.bytes,
            progress: Arc::clone(&parser.progress),
            slice: source.slice,
        };
        let footer = reader.footer(&url).await?;
        let replaces = parser.plan.options.accept_invalid_chars.is_some();
        let unreadable = |error| unreadable(&url, error);
        let metadata = metadata(&footer, replaces).map_err(unreadable)?;
        let read = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let found =
            ArrowReaderMetadata::try_new(Arc::clone(&metadata), read).map_err(unreadable)?;
        let wanted = schema::reading(found.schema(), found.parquet_schema());
        let read = ArrowReaderOptions::new().with_schema(wanted);
        let found = ArrowReaderMetadata::try_new(metadata, read).map_err(unreadable)?;
        let ways = ways(&url, parser, &found)?;
        let groups = found.metadata().num_row_groups();
        Ok(Self {
            slice: source.slice,
            reader,
            ways,
            rows_before: schema::rows_before(found.metadata()),
            groups_left: AtomicUsize::new(groups),
            metadata: found,
            url,
            begun,
        })
    }

    pub(super) fn group_count(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Refuses a row group that is not read here.
    pub(super) fn check_group(&self, group: usize) -> Result<()> {
        let Some(group) = self.metadata.metadata().row_groups().get(group) else {
            return Ok(());
        };
        if let Some(codec) = schema::unread_compression(group) {
            return Err(Error::Sql(blueshift_sql::Error::unsupported(
                format!("{codec} compression in the Parquet file \"{}\"", self.url),
                "Write the file with SNAPPY, ZSTD or no compression",
            )));
        }
        let bytes = group.compressed_size();
        if bytes > GROUP_BYTES_MAX {
            let message = format!(
                "could not read \"{}\": a row group has {bytes} bytes, and may have {GROUP_BYTES_MAX}",
                self.url
            );
            let state = SqlState::PROGRAM_LIMIT_EXCEEDED;
            return Err(Error::Sql(
                blueshift_sql::Error::new(state, message)
                    .with_hint("Write the file with smaller row groups."),
            ));
        }
        Ok(())
    }

    /// Tells what was read, once all is.
    pub(super) fn loaded(&self) -> LoadedFile {
        let rows = self.metadata.metadata().file_metadata().num_rows();
        let left = self.groups_left.load(Ordering::Acquire);
        LoadedFile {
            filename: self.url.to_string(),
            slice: self.slice,
            lines: u64::try_from(rows).unwrap_or_default(),
            bytes: if left == 0 { self.reader.bytes } else { 0 },
            errors: 0,
            duration_us: u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// Reads a footer. With `replaces`, texts are read as bytes, as they may be no texts.
fn metadata(footer: &[u8], replaces: bool) -> Result<Arc<ParquetMetaData>, ParquetError> {
    let metadata = ParquetMetaDataReader::decode_metadata(footer)?;
    if !replaces {
        return Ok(Arc::new(metadata));
    }
    let bytes = schema::with_bytes_for_texts(metadata.file_metadata().schema_descr())?;
    let options = ParquetMetaDataOptions::new().with_schema(Arc::new(bytes));
    ParquetMetaDataReader::decode_metadata_with_options(footer, Some(&options)).map(Arc::new)
}

/// Finds for each column of the table how it is made of that in the file.
fn ways(url: &str, parser: &Parser, file: &ArrowReaderMetadata) -> Result<Vec<Option<Way>>> {
    let plan = &parser.plan;
    let columns = file.parquet_schema().root_schema().get_fields();
    let (wanted, there) = (plan.field_count, columns.len());
    if there > wanted || (there < wanted && !plan.options.fill_record) {
        let context = format!(
            "Unmatched number of columns between table and file. Table columns: {wanted}, Data columns: {there}, \
             File name: {url}"
        );
        let hint = match there < wanted {
            true => "Name the columns of the file in the column list of COPY, or use FILLRECORD.",
            false => "Add the columns to the table, or write a file without them.",
        };
        return Err(scan_error(SqlState::BAD_COPY_FILE_FORMAT, context, hint));
    }
    let way = |column: &LoadColumn| {
        let Some((field, place)) = column
            .field
            .and_then(|place| Some((columns.get(place)?, place)))
        else {
            return Ok(None);
        };
        let ty = file
            .schema()
            .fields()
            .get(place)
            .map(|field| field.data_type());
        let serializes = plan.options.serialize_to_json;
        let found = ty.and_then(|ty| schema::way(ty, field, column.ty, serializes));
        match found {
            Some(way) => Ok(Some(way)),
            None => Err(incompatible(url, column, file, place)),
        }
    };
    plan.columns.iter().map(way).collect()
}

fn incompatible(url: &str, column: &LoadColumn, file: &ArrowReaderMetadata, place: usize) -> Error {
    let shown = schema::shown(file.parquet_schema(), place);
    let folder = url.rsplit_once('/').map_or(url, |(folder, _)| folder);
    let context = format!(
        "File '{url}' has an incompatible Parquet schema for column '{folder}.{}'. Column type: {}, Parquet \
         schema:\n{shown}\n",
        column.name,
        schema::type_shown(column.ty)
    );
    let hint = match column.ty {
        SqlType::Super => "Add SERIALIZETOJSON to load any value into a SUPER column.",
        _ => "Give the column of the table the type that the file has.",
    };
    scan_error(SqlState::BAD_COPY_FILE_FORMAT, context, hint)
}

/// Tells why a file cannot be read.
pub(super) fn unreadable(url: &str, error: ParquetError) -> Error {
    if let ParquetError::External(cause) = &error
        && let Some(cause) = cause.downcast_ref::<object_store::Error>()
    {
        return failed(url, cause);
    }
    let why = error.to_string();
    if why.contains("UTF-8") || why.contains("UTF8") {
        let reason = Problem::Utf8.reason();
        let context = format!("{reason}. File name: {url}");
        let hint = "Add ACCEPTINVCHARS to load such texts with their characters replaced.";
        return scan_error(SqlState::CHARACTER_NOT_IN_REPERTOIRE, context, hint);
    }
    damaged(url, &why)
}

fn damaged(url: &str, why: &str) -> Error {
    let message = format!("could not read \"{url}\": not a Parquet file, or a damaged one: {why}");
    let state = SqlState::BAD_COPY_FILE_FORMAT;
    Error::Sql(blueshift_sql::Error::new(state, message).with_hint("Check the file."))
}

/// Reads ranges of one object.
#[derive(Clone)]
pub(super) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    bytes: u64,
    progress: Arc<LoadProgress>,
    slice: u32,
}

impl ObjectReader {
    /// Reads the footer, without what stands behind it.
    async fn footer(&self, url: &str) -> Result<Bytes> {
        if self.bytes < END_BYTES {
            return Err(damaged(url, "it has no footer"));
        }
        let tail_start = self.bytes.saturating_sub(TAIL_BYTES);
        let tail = self.read(tail_start..self.bytes).await;
        let tail = tail.map_err(|error| failed(url, &error))?;
        let end = tail.last_chunk::<{ END_BYTES as usize }>();
        let length = match end {
            Some([a, b, c, d, b'P', b'A', b'R', b'1']) => {
                u64::from(u32::from_le_bytes([*a, *b, *c, *d]))
            }
            Some([_, _, _, _, b'P', b'A', b'R', b'E']) => {
                return Err(Error::Sql(blueshift_sql::Error::unsupported(
                    format!("the encrypted Parquet file \"{url}\""),
                    "Write the file without encryption",
                )));
            }
            _ => return Err(damaged(url, "it does not end with PAR1")),
        };
        let start = self.bytes.checked_sub(length + END_BYTES);
        let start = start.ok_or_else(|| damaged(url, "its footer is longer than the file"))?;
        if length > FOOTER_BYTES_MAX {
            return Err(damaged(url, "its footer is longer than 256 MB"));
        }
        let end = self.bytes - END_BYTES;
        match start.checked_sub(tail_start) {
            Some(start) => Ok(tail.slice(start as usize..(end - tail_start) as usize)),
            None => {
                let footer = self.read(start..end).await;
                footer.map_err(|error| failed(url, &error))
            }
        }
    }

    async fn read(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        let bytes = for_slice(self.slice, self.store.get_range(&self.path, range)).await?;
        self.count(bytes.len());
        Ok(bytes)
    }

    fn count(&self, bytes: usize) {
        if let Some(progress) = self.progress.slice(self.slice) {
            progress
                .bytes_read
                .fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let read = async move { self.read(range).await.map_err(external) };
        read.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let read = async move {
            let read = self.store.get_ranges(&self.path, &ranges).await;
            let read = read.map_err(external)?;
            self.count(read.iter().map(Bytes::len).sum());
            Ok(read)
        };
        read.boxed()
    }

    /// Is not asked: the footer is read before.
    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let refused = ParquetError::General("the footer is read before".to_owned());
        async move { Err(refused) }.boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
