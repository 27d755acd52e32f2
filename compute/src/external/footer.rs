//! Reads Parquet files from the stores they are in, and keeps their footers up to a number of bytes.
//!
//! A footer is known by the file's URL, size, time and tag: a file that was written anew has another.

use super::ExternalFile;
use super::named::BYTES;
use crate::error::Error;
use crate::object::failed;
use bytes::Bytes;
use datafusion::common::internal_err;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::error::Result;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader,
};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStoreExt};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of all footers that are kept.
const FOOTER_BYTES_MAX: usize = 64 << 20;
/// Footers that are kept.
const FOOTERS_MAX: usize = 4_096;

/// The end of a file that is read first: most footers fit.
pub(super) const FOOTER_BYTES_HINT: usize = 64 << 10;

/// What a footer is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FooterKey {
    url: Arc<str>,
    bytes: u64,
    modified_us: i64,
    tag: Option<String>,
}

impl FooterKey {
    fn of(file: &ExternalFile) -> Self {
        let ObjectMeta {
            last_modified,
            size,
            e_tag,
            ..
        } = &file.meta;
        Self {
            url: Arc::clone(&file.url),
            bytes: *size,
            modified_us: last_modified.timestamp_micros(),
            tag: e_tag.clone(),
        }
    }
}

/// Footers by file, most recently used last.
#[derive(Default)]
struct Footers {
    known: VecDeque<(FooterKey, Arc<ParquetMetaData>)>,
    bytes: usize,
}

impl Footers {
    const fn new() -> Self {
        Self {
            known: VecDeque::new(),
            bytes: 0,
        }
    }

    fn get(&mut self, key: &FooterKey) -> Option<Arc<ParquetMetaData>> {
        let place = self.known.iter().position(|(known, _)| known == key)?;
        let (key, footer) = self.known.remove(place)?;
        self.known.push_back((key, Arc::clone(&footer)));
        Some(footer)
    }

    fn put(&mut self, key: FooterKey, footer: &Arc<ParquetMetaData>) {
        let old = self.known.iter().position(|(known, _)| *known == key);
        if let Some((_, old)) = old.and_then(|place| self.known.remove(place)) {
            self.bytes = self.bytes.saturating_sub(old.memory_size());
        }
        self.bytes += footer.memory_size();
        self.known.push_back((key, Arc::clone(footer)));
        while self.bytes > FOOTER_BYTES_MAX || self.known.len() > FOOTERS_MAX {
            let Some((_, old)) = self.known.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(old.memory_size());
        }
    }
}

/// The footers of this process.
static FOOTERS: Mutex<Footers> = Mutex::new(Footers::new());

fn footers() -> std::sync::MutexGuard<'static, Footers> {
    FOOTERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes readers of files.
#[derive(Debug)]
pub(super) struct FileReaders;

impl ParquetFileReaderFactory for FileReaders {
    fn create_reader(
        &self,
        slice: usize,
        file: PartitionedFile,
        footer_bytes_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let Some(known) = file.extension::<ExternalFile>() else {
            return internal_err!("a file of an external table without its store");
        };
        Ok(Box::new(FileReader {
            footer_bytes_hint,
            ..counted_reader(known.clone(), metrics, slice)
        }))
    }
}

/// Makes a reader of a file that counts what a slice reads.
pub(super) fn counted_reader(
    file: ExternalFile,
    metrics: &ExecutionPlanMetricsSet,
    slice: usize,
) -> FileReader {
    FileReader {
        file,
        footer_bytes_hint: Some(FOOTER_BYTES_HINT),
        bytes: MetricBuilder::new(metrics).counter(BYTES, slice),
    }
}

/// Reads the footer of a file, without its index of pages.
pub(super) async fn footer_of(
    file: ExternalFile,
) -> std::result::Result<Arc<ParquetMetaData>, ParquetError> {
    reader(file).get_metadata(None).await
}

/// Makes a reader of a file that no step of a query counts.
pub(super) fn reader(file: ExternalFile) -> FileReader {
    FileReader {
        file,
        footer_bytes_hint: Some(FOOTER_BYTES_HINT),
        bytes: Count::new(),
    }
}

/// Reads one file.
pub(super) struct FileReader {
    file: ExternalFile,
    footer_bytes_hint: Option<usize>,
    bytes: Count,
}

fn told(url: &str, error: &object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(failed(url, error)))
}

impl FileReader {
    fn count(&self, ranges: &[Range<u64>]) {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.bytes.add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    async fn read_footer(
        &mut self,
        pages: PageIndexPolicy,
    ) -> std::result::Result<ParquetMetaData, ParquetError> {
        let (size, url) = (self.file.meta.size, Arc::clone(&self.file.url));
        let read = ParquetMetaDataReader::new()
            .with_prefetch_hint(self.footer_bytes_hint)
            .with_column_index_policy(pages)
            .with_offset_index_policy(pages)
            .load_and_finish(&mut *self, size)
            .await;
        read.map_err(|error| match error {
            ParquetError::External(inner) if inner.is::<Error>() => ParquetError::External(inner),
            other => {
                let reason = other.to_string().replace("Parquet error: ", "");
                let wrong = blueshift_sql::Error::new(
                    blueshift_sql::SqlState::BAD_COPY_FILE_FORMAT,
                    format!("could not read \"{url}\": not a Parquet file, or a damaged one: {reason}"),
                )
                .with_hint("Check the file; hidden files, whose names begin with _ or a dot, are passed over.");
                ParquetError::External(Box::new(Error::Sql(wrong)))
            }
        })
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(
        &mut self,
        range: Range<u64>,
    ) -> BoxFuture<'_, std::result::Result<Bytes, ParquetError>> {
        self.count(std::slice::from_ref(&range));
        let file = &self.file;
        async move {
            let got = file.store.get_range(&file.meta.location, range).await;
            got.map_err(|error| told(&file.url, &error))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, std::result::Result<Vec<Bytes>, ParquetError>> {
        self.count(&ranges);
        let file = &self.file;
        async move {
            let got = file.store.get_ranges(&file.meta.location, &ranges).await;
            got.map_err(|error| told(&file.url, &error))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, std::result::Result<Arc<ParquetMetaData>, ParquetError>> {
        let pages = options.map_or(
            PageIndexPolicy::Skip,
            ArrowReaderOptions::column_index_policy,
        );
        async move {
            let key = FooterKey::of(&self.file);
            let known = footers().get(&key);
            let has_pages = |footer: &ParquetMetaData| {
                footer.column_index().is_some() && footer.offset_index().is_some()
            };
            if let Some(footer) = known
                && (pages == PageIndexPolicy::Skip || has_pages(&footer))
            {
                return Ok(footer);
            }
            let footer = Arc::new(self.read_footer(pages).await?);
            footers().put(key, &footer);
            Ok(footer)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::parquet::file::metadata::FileMetaData;
    use datafusion::parquet::schema::types::{SchemaDescriptor, Type};

    fn key(name: &str, modified_us: i64) -> FooterKey {
        FooterKey {
            url: name.into(),
            bytes: 1,
            modified_us,
            tag: None,
        }
    }

    fn footer() -> Arc<ParquetMetaData> {
        let root = Type::group_type_builder("root").build().expect("a type");
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(root)));
        let file = FileMetaData::new(1, 0, None, None, schema, None);
        Arc::new(ParquetMetaData::new(file, Vec::new()))
    }

    #[test]
    fn a_file_written_anew_is_another() {
        let mut footers = Footers::new();
        footers.put(key("a", 1), &footer());
        assert!(footers.get(&key("a", 1)).is_some());
        assert!(footers.get(&key("a", 2)).is_none());
        assert!(footers.get(&key("b", 1)).is_none());
    }

    #[test]
    fn the_oldest_go_first() {
        let mut footers = Footers::new();
        for number in 0..=FOOTERS_MAX {
            footers.put(key("a", number as i64), &footer());
        }
        assert_eq!(footers.known.len(), FOOTERS_MAX);
        assert!(footers.get(&key("a", 0)).is_none());
        let bytes: usize = footers.known.iter().map(|(_, one)| one.memory_size()).sum();
        assert_eq!(footers.bytes, bytes);
    }
}
