//! A file that is open: its footer, read and checked against the table. What is of Parquet alone is here too; what is of
//! ORC is in [`super::orc`].

use super::scan_error;
use crate::error::{Error, Result};
use crate::format::delimited::problem::Problem;
use crate::format::orc;
use crate::format::parquet::schema::{self, Way};
use crate::load::parse::Parser;
use crate::load::source::Source;
use crate::load::{LoadColumn, LoadProgress, LoadedFile};
use crate::object::{failed, for_slice};
use blueshift_sql::statement::copy::CopyFormat;
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

/// What the end of a file tells of it.
pub(super) enum Footer {
    Parquet(ArrowReaderMetadata),
    Orc(Box<orc::File>),
}

/// The columns of a file, to be checked against those of the table.
pub(super) struct FileColumns<'a> {
    /// The format's name.
    pub(super) format: &'a str,
    pub(super) count: usize,
    /// Finds the way from a place among the columns to a type of the table.
    pub(super) way: &'a dyn Fn(usize, SqlType) -> Option<Way>,
    /// Shows the type at a place.
    pub(super) shown: &'a dyn Fn(usize) -> String,
}

/// An open file.
pub(super) struct OpenFile {
    pub(super) url: Arc<str>,
    pub(super) slice: u32,
    pub(super) reader: ObjectReader,
    pub(super) footer: Footer,
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
        let slice = source.slice;
        if let Some(progress) = parser.progress.slice(slice) {
            progress.begin_file(&url);
        }
        let reader = ObjectReader {
            store: source.store,
            path: source.path,
            bytes: source.bytes,
            progress: Arc::clone(&parser.progress),
            slice,
        };
        let (footer, ways, rows_before) = match parser.plan.options.format {
            CopyFormat::Orc => super::orc::open(&url, &reader, parser).await?,
            _ => open_parquet(&url, &reader, parser).await?,
        };
        Ok(Self {
            url,
            slice,
            reader,
            footer,
            ways,
            groups_left: AtomicUsize::new(rows_before.len()),
            rows_before,
            begun,
        })
    }

    pub(super) fn group_count(&self) -> usize {
        self.rows_before.len()
    }

    /// Tells what was read, once all is.
    pub(super) fn loaded(&self) -> LoadedFile {
        let rows = match &self.footer {
            Footer::Parquet(footer) => {
                let rows = footer.metadata().file_metadata().num_rows();
                u64::try_from(rows).unwrap_or_default()
            }
            Footer::Orc(file) => file.rows(),
        };
        let left = self.groups_left.load(Ordering::Acquire);
        LoadedFile {
            filename: self.url.to_string(),
            slice: self.slice,
            lines: rows,
            bytes: if left == 0 { self.reader.bytes } else { 0 },
            errors: 0,
            duration_us: u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// A footer, how each column of the table is made, and the rows before each part of the file.
pub(super) type Opened = (Footer, Vec<Option<Way>>, Vec<u64>);

async fn open_parquet(url: &str, reader: &ObjectReader, parser: &Parser) -> Result<Opened> {
    let footer = reader.footer(url).await?;
    let replaces = parser.plan.options.accept_invalid_chars.is_some();
    let unreadable = |error| unreadable(url, error);
    let metadata = metadata(&footer, replaces).map_err(unreadable)?;
    let read = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let found = ArrowReaderMetadata::try_new(Arc::clone(&metadata), read).map_err(unreadable)?;
    let wanted = schema::reading(found.schema(), found.parquet_schema());
    let read = ArrowReaderOptions::new().with_schema(wanted);
    let found = ArrowReaderMetadata::try_new(metadata, read).map_err(unreadable)?;
    let columns = found.parquet_schema().root_schema().get_fields();
    let serializes = parser.plan.options.serialize_to_json;
    let way = |place: usize, wanted: SqlType| {
        let ty = found.schema().fields().get(place)?.data_type();
        schema::way(ty, schema::is_json(columns.get(place)?), wanted, serializes)
    };
    let columns = FileColumns {
        format: "Parquet",
        count: columns.len(),
        way: &way,
        shown: &|place| schema::shown(found.parquet_schema(), place),
    };
    let ways = ways(url, parser, &columns)?;
    let before = schema::rows_before(found.metadata());
    Ok((Footer::Parquet(found), ways, before))
}

/// Refuses a row group that is not read here.
pub(super) fn check_group(url: &str, footer: &ArrowReaderMetadata, group: usize) -> Result<()> {
    let Some(group) = footer.metadata().row_groups().get(group) else {
        return Ok(());
    };
    if let Some(codec) = schema::unread_compression(group) {
        return Err(Error::Sql(blueshift_sql::Error::unsupported(
            format!("{codec} compression in the Parquet file \"{url}\""),
            "Write the file with SNAPPY, ZSTD or no compression",
        )));
    }
    let bytes = group.compressed_size();
    if bytes > GROUP_BYTES_MAX {
        let message = format!(
            "could not read \"{url}\": a row group has {bytes} bytes, and may have {GROUP_BYTES_MAX}"
        );
        let state = SqlState::PROGRAM_LIMIT_EXCEEDED;
        return Err(Error::Sql(
            blueshift_sql::Error::new(state, message)
                .with_hint("Write the file with smaller row groups."),
        ));
    }
    Ok(())
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
pub(super) fn ways(
    url: &str,
    parser: &Parser,
    columns: &FileColumns<'_>,
) -> Result<Vec<Option<Way>>> {
    let plan = &parser.plan;
    let (wanted, there) = (plan.field_count, columns.count);
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
    let way = |column: &LoadColumn| match column.field.filter(|place| *place < there) {
        None => Ok(None),
        Some(place) => match (columns.way)(place, column.ty) {
            Some(way) => Ok(Some(way)),
            None => Err(incompatible(url, column, columns, place)),
        },
    };
    plan.columns.iter().map(way).collect()
}

fn incompatible(url: &str, column: &LoadColumn, file: &FileColumns<'_>, place: usize) -> Error {
    let (format, shown) = (file.format, (file.shown)(place));
    let folder = url.rsplit_once('/').map_or(url, |(folder, _)| folder);
    let context = format!(
        "File '{url}' has an incompatible {format} schema for column '{folder}.{}'. Column type: {}, {format} \
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
    damaged(url, "a Parquet", &why)
}

/// Says that a file is not of its format, or damaged.
pub(super) fn damaged(url: &str, format: &str, why: &str) -> Error {
    let message = format!("could not read \"{url}\": not {format} file, or a damaged one: {why}");
    let state = SqlState::BAD_COPY_FILE_FORMAT;
    Error::Sql(blueshift_sql::Error::new(state, message).with_hint("Check the file."))
}

/// Reads ranges of one object.
#[derive(Clone)]
pub(super) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    pub(super) bytes: u64,
    progress: Arc<LoadProgress>,
    slice: u32,
}

impl ObjectReader {
    /// Reads the footer, without what stands behind it.
    async fn footer(&self, url: &str) -> Result<Bytes> {
        if self.bytes < END_BYTES {
            return Err(damaged(url, "a Parquet", "it has no footer"));
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
            _ => return Err(damaged(url, "a Parquet", "it does not end with PAR1")),
        };
        let start = self.bytes.checked_sub(length + END_BYTES);
        let start =
            start.ok_or_else(|| damaged(url, "a Parquet", "its footer is longer than the file"))?;
        if length > FOOTER_BYTES_MAX {
            return Err(damaged(
                url,
                "a Parquet",
                "its footer is longer than 256 MB",
            ));
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

    /// Reads a range.
    pub(super) async fn read(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        let bytes = for_slice(self.slice, self.store.get_range(&self.path, range)).await?;
        self.count(bytes.len());
        Ok(bytes)
    }

    /// Reads ranges, those close to each other with one request.
    pub(super) async fn read_all(&self, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let read = self.store.get_ranges(&self.path, ranges).await?;
        self.count(read.iter().map(Bytes::len).sum());
        Ok(read)
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
        let read = async move { self.read_all(&ranges).await.map_err(external) };
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
