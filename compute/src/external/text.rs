//! Files of an external table that are read as rows with the parts of COPY: lines of fields, JSON and Avro.
//!
//! As Hive does, a field that does not convert is null, a line with too few fields has nulls for the others, and fields
//! that are too many are passed over. Files are compressed as their names end.

mod rows;

use super::cleanse::Cleansing;
use super::named::{BYTES, Counters, name, url_of};
use super::{ExternalColumn, ExternalFile, ExternalScan, FileFormat};
use crate::error::Error;
use crate::format::compression::Compression;
use crate::format::cut::RowEnd;
use crate::format::encoding::Encoding;
use crate::load::{Feed, FileChunk, LoadProgress, RangeReader, Rejects, Source};
use arrow_schema::SchemaRef;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::StreamExt;
use object_store::ObjectStore;
use rows::{Lines, RowReader};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

/// Chunks that may wait to be parsed.
const CHUNKS_WAITING: usize = 2;

/// The text files of one scan.
#[derive(Clone)]
pub(super) struct TextFiles {
    schema: TableSchema,
    /// The columns in the files.
    columns: Arc<Vec<ExternalColumn>>,
    format: Arc<FileFormat>,
    cleansing: Option<Cleansing>,
    projection: SplitProjection,
    metrics: ExecutionPlanMetricsSet,
    pub(super) scan: Arc<ExternalScan>,
}

impl TextFiles {
    /// Makes the source of a scan of all columns.
    pub(super) fn new(
        schema: TableSchema,
        columns: Vec<ExternalColumn>,
        format: FileFormat,
        cleansing: Option<Cleansing>,
        scan: Arc<ExternalScan>,
    ) -> Self {
        Self {
            projection: SplitProjection::unprojected(&schema),
            schema,
            columns: Arc::new(columns),
            format: Arc::new(format),
            cleansing,
            metrics: ExecutionPlanMetricsSet::new(),
            scan,
        }
    }
}

impl FileSource for TextFiles {
    fn create_file_opener(
        &self,
        _store: Arc<dyn ObjectStore>,
        _config: &FileScanConfig,
        slice: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let file_schema = self.schema.file_schema();
        let opener = TextOpener {
            schema: Arc::new(file_schema.project(&self.projection.file_indices)?),
            wanted: self.projection.file_indices.clone(),
            columns: Arc::clone(&self.columns),
            format: Arc::clone(&self.format),
            cleansing: self.cleansing,
            counters: Counters::new(&self.metrics, slice),
            bytes: MetricBuilder::new(&self.metrics).counter(BYTES, slice),
        };
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(opener), file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, _rows: usize) -> Arc<dyn FileSource> {
        // Batches are the blocks of the parser.
        Arc::new(self.clone())
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        match self.format.as_ref() {
            FileFormat::Json(_) => "json",
            FileFormat::Avro { .. } => "avro",
            _ => "text",
        }
    }

    /// A file is read by one slice: where a line begins is known from its beginning only.
    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        Ok(Some(Arc::new(Self {
            projection: SplitProjection::new(self.schema.file_schema(), &merged),
            ..self.clone()
        })))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for projected in self.projection.source.iter() {
            if visit(&projected.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

/// Opens the files of one slice.
struct TextOpener {
    /// The columns that are wanted.
    schema: SchemaRef,
    /// Their places among the columns of the files.
    wanted: Vec<usize>,
    columns: Arc<Vec<ExternalColumn>>,
    format: Arc<FileFormat>,
    cleansing: Option<Cleansing>,
    counters: Counters,
    bytes: Count,
}

impl FileOpener for TextOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let Some(known) = file.extension::<ExternalFile>().cloned() else {
            return internal_err!("a file of an external table without its store");
        };
        let url = url_of(&file);
        let reader = RowReader::new(
            Arc::clone(&self.schema),
            &self.wanted,
            &self.columns,
            &self.format,
            self.cleansing,
        );
        self.counters.begin(&file);
        let bytes = usize::try_from(known.meta.size).unwrap_or(usize::MAX);
        self.bytes.add(bytes);
        let compression = compression_of(&self.format, &url)?;
        let row_end = row_end(&self.format);
        Ok(Box::pin(async move {
            let chunks = Chunks::begin(known, compression, row_end);
            let open = Open {
                chunks,
                reader,
                lines: None,
            };
            let batches = futures::stream::try_unfold(open, Open::next);
            let batches = batches.map(move |batch| batch.map_err(|error| name(error, &url)));
            Ok(batches.boxed())
        }))
    }
}

/// Tells where the rows of a file end.
fn row_end(format: &FileFormat) -> RowEnd {
    match format {
        FileFormat::Avro { .. } => RowEnd::Block,
        FileFormat::Json(json) => RowEnd::Json {
            header_lines: json.header_lines,
            strips_array: json.strips_outer_array,
        },
        FileFormat::Text(text) => match text.quote {
            Some(quote) => RowEnd::Quoted {
                quote,
                delimiter: text.delimiter,
                escape: text.escape,
            },
            None => RowEnd::Newline,
        },
        FileFormat::Parquet | FileFormat::Orc { .. } => RowEnd::Newline,
    }
}

/// Tells how a file is compressed: as the table says, or as its name ends.
fn compression_of(format: &FileFormat, url: &str) -> Result<Compression> {
    let given = match format {
        FileFormat::Avro { compression } => *compression,
        FileFormat::Json(json) => json.compression,
        FileFormat::Text(text) => text.compression,
        FileFormat::Parquet | FileFormat::Orc { .. } => None,
    };
    if let Some(given) = given {
        return Ok(given);
    }
    Ok(compression_by_name(url)?)
}

/// Tells how a file is compressed by how its name ends.
pub(super) fn compression_by_name(url: &str) -> crate::Result<Compression> {
    let ending = url.rsplit('.').next().unwrap_or_default();
    Ok(match ending.to_lowercase().as_str() {
        "gz" => Compression::Gzip,
        "bz2" => Compression::Bzip2,
        "zst" => Compression::Zstd,
        "snappy" | "lzo" | "deflate" => {
            let refused = blueshift_sql::Error::unsupported(
                format!("the compression of \"{url}\" by its name"),
                "Compress text files with GZIP, BZIP2 or ZSTD, or set the table property 'compression_type'.",
            );
            return Err(Error::Sql(refused));
        }
        _ => Compression::None,
    })
}

/// The chunks of a file as they are read; reading ends when this is dropped.
struct Chunks {
    receiver: Receiver<FileChunk>,
    reading: Option<JoinHandle<crate::Result<()>>>,
}

impl Chunks {
    fn begin(file: ExternalFile, compression: Compression, row_end: RowEnd) -> Self {
        let (sender, receiver) = channel(CHUNKS_WAITING);
        let feed = Feed {
            reader: RangeReader::new(),
            compression,
            row_end,
            encoding: Encoding::Utf8,
            table_name: Arc::default(),
            rejects: Arc::new(Rejects::new(0)),
            progress: Arc::new(LoadProgress::default()),
            files: Arc::new(Mutex::new(Vec::new())),
        };
        let source = Source {
            url: file.url.to_string(),
            store: file.store,
            path: file.meta.location,
            bytes: file.meta.size,
            slice: 0,
        };
        Self {
            receiver,
            reading: Some(tokio::spawn(feed.run(vec![source], 1, sender))),
        }
    }

    async fn next(&mut self) -> crate::Result<Option<FileChunk>> {
        if let Some(chunk) = self.receiver.recv().await {
            return Ok(Some(chunk));
        }
        match self.reading.take() {
            Some(reading) => crate::write::joined(reading.await).map(|()| None),
            None => Ok(None),
        }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.abort();
        }
    }
}

/// An open file.
struct Open {
    chunks: Chunks,
    reader: RowReader,
    /// What is left of a chunk.
    lines: Option<Lines>,
}

impl Open {
    /// Gives the next rows.
    async fn next(mut self) -> Result<Option<(arrow::array::RecordBatch, Self)>> {
        loop {
            if let Some(lines) = &mut self.lines
                && let Some(batch) = self.reader.next(lines).map_err(DataFusionError::from)?
            {
                // Other streams of this thread have their turn.
                tokio::task::yield_now().await;
                return Ok(Some((batch, self)));
            }
            match self.chunks.next().await? {
                Some(chunk) => self.lines = Some(self.reader.begin(chunk)),
                None => return Ok(None),
            }
        }
    }
}
