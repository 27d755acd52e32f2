//! External tables: files outside, read in place.
//!
//! A scan finds the partitions a query can need, lists their files and deals them to slices. Parquet goes through the
//! engine's own reader, with pruning of row groups and pages, filters tested before other columns are read, and filters
//! that joins make while running; ORC is read by stripes, text, JSON and Avro through the reader of COPY. Columns that follow from a file's place, and the
//! pseudocolumns, are constants of the file.

pub mod cleanse;
pub mod infer;
pub mod metastore;
pub mod postgres;
mod orc;
mod parquet;
mod text;

mod delta;
mod iceberg;
mod learn;
mod list;
mod open;

mod adapt;
mod bounds;
mod nest;
mod prepare;
mod prune;

mod budget;
mod called;
mod deletes;
mod fit;
mod footer;
mod named;
mod roaring;

pub use budget::ScanBudget;
pub use learn::Learned;
pub use list::{Access, ExternalFile, FileLists};

use crate::format::compression::Compression;
use arrow_schema::{FieldRef, SchemaRef};
use async_trait::async_trait;
use blueshift_sql::SqlType;
use blueshift_sql::statement::external::NestedType;
use called::Calls;
use cleanse::Cleansing;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use open::OpenTable;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Partitions that are listed at the same time.
const LISTINGS_IN_FLIGHT: usize = 8;
/// Rows of an external table of which nothing is known. Source: Redshift's guide, CREATE EXTERNAL TABLE, "numRows": it
/// is taken for the larger side of a join.
pub const ROWS_UNKNOWN: usize = 10_000_000_000;

/// The pseudocolumn that tells a row's file.
pub const PATH: &str = "$path";
/// The pseudocolumn that tells the size of a row's file.
pub const SIZE: &str = "$size";

/// A column of an external table.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: SqlType,
    /// What a SUPER is made of.
    pub nested: Option<NestedType>,
}

/// How the files of a table are written.
#[derive(Clone, Debug, PartialEq)]
pub enum FileFormat {
    /// Parquet; columns are found by name.
    Parquet,
    /// ORC; columns are found by name, or by position.
    Orc {
        /// Whether by position.
        by_position: bool,
    },
    /// Avro; columns are found by name in any case.
    Avro {
        /// How files are compressed whatever they are called.
        compression: Option<Compression>,
    },
    /// Objects of JSON; columns are found by key.
    Json(JsonFormat),
    /// Lines of fields; columns are found by position.
    Text(TextFormat),
}

impl FileFormat {
    /// Gives the word of system tables and EXPLAIN.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Parquet => "PARQUET",
            Self::Orc { .. } => "ORC",
            Self::Avro { .. } => "AVRO",
            Self::Json(_) => "JSON",
            Self::Text(_) => "TEXT",
        }
    }
}

/// How objects are taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonFormat {
    /// Whether what is no object is a row of nulls.
    pub ignores_malformed: bool,
    /// Whether keys are found in their case only.
    pub is_case_sensitive: bool,
    /// Whether a dot of a key is an underscore of its column.
    pub has_dots_in_keys: bool,
    /// Whether a file is one array, and what is in it are the rows.
    pub strips_outer_array: bool,
    /// Columns, and their keys if those are others.
    pub mapping: Vec<(String, String)>,
    /// Lines at the beginning of each file that hold no rows.
    pub header_lines: u64,
    /// How files are compressed whatever they are called.
    pub compression: Option<Compression>,
}

/// How lines are taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct TextFormat {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields.
    pub quote: Option<u8>,
    /// What makes a quote or itself literal within quotes, if not the quote.
    pub escape: Option<u8>,
    /// The field that means null.
    pub null_as: Vec<u8>,
    /// Lines at the beginning of each file that hold no rows.
    pub header_lines: u64,
    /// How files are compressed whatever they are called.
    pub compression: Option<Compression>,
}

/// A partition of an external table.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalPartition {
    /// The values of the partition columns.
    pub values: Vec<ScalarValue>,
    /// Where its files are.
    pub location: String,
}

/// What tells the files of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableLog {
    /// Its folders, or manifests: there is no log.
    Folders,
    /// The log of a Delta table.
    Delta,
    /// The metadata of an Iceberg table.
    Iceberg {
        /// Its metadata file, if the newest in its folder is not meant.
        metadata: Option<String>,
    },
}

/// An external table for the planner.
#[derive(Clone)]
pub struct ExternalTable {
    /// `schema.table`, for EXPLAIN and errors.
    pub name: String,
    /// Its oid.
    pub oid: u32,
    /// How its files are written.
    pub format: FileFormat,
    /// Columns that stand in the files.
    pub columns: Vec<ExternalColumn>,
    /// Columns that follow from the partition.
    pub partition_columns: Vec<ExternalColumn>,
    /// Where its files are, if it has no partitions.
    pub location: String,
    /// The partitions that were added; `None` if it has no partition columns.
    pub partitions: Option<Vec<ExternalPartition>>,
    /// What tells its files and their partitions.
    pub log: TableLog,
    /// The property numRows.
    pub row_count: Option<u64>,
    /// Whether the pseudocolumns are among its columns.
    pub has_pseudo_columns: bool,
    /// How to reach the files.
    pub access: Access,
    /// What becomes of values that do not fit, if the table says.
    pub cleansing: Option<Cleansing>,
    /// What the statement has listed so far.
    pub lists: Arc<FileLists>,
    /// The schemas, made when first asked for.
    pub schemas: OnceLock<TableSchema>,
    /// What was learned of its files.
    pub learned: OnceLock<Learned>,
}

impl std::fmt::Debug for ExternalTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ExternalTable")
            .field("name", &self.name)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

/// What is known of one scan when it is planned, for EXPLAIN and system tables.
#[derive(Debug)]
pub struct ExternalScan {
    /// `schema.table`.
    pub table: String,
    /// Its oid.
    pub oid: u32,
    /// The word of the format.
    pub format: &'static str,
    /// The table's location.
    pub location: String,
    /// Whether it has partition columns.
    pub is_partitioned: bool,
    /// Partitions there are.
    pub partitions: usize,
    /// Partitions whose files are read.
    pub partitions_qualified: usize,
    /// The conditions that chose them.
    pub partition_filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Microseconds that choosing took.
    pub partition_us: u64,
    /// Files to read.
    pub files: usize,
    /// Their sizes together.
    pub file_bytes: u64,
    /// The size of the largest.
    pub file_bytes_max: u64,
    /// Microseconds that listing took.
    pub list_us: u64,
    /// Rows expected before filters.
    pub row_count: Option<u64>,
}

impl ExternalScan {
    /// Counts a file that is read.
    fn add(&mut self, file: &ExternalFile) {
        self.files += 1;
        self.file_bytes += file.meta.size;
        self.file_bytes_max = self.file_bytes_max.max(file.meta.size);
    }
}

/// What a scan did on one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct ExternalWork {
    /// Rows read.
    pub rows_scanned: u64,
    /// Bytes read of the files.
    pub bytes_scanned: u64,
    /// Rows that came out.
    pub rows: u64,
    /// Bytes of rows that came out, as they lay in memory.
    pub bytes: u64,
    /// Files begun.
    pub files: u64,
    /// Parts of files read.
    pub splits: u64,
    /// When it began, in microseconds since 1970.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
}

/// Finds the external scan that a node of a plan is.
pub fn scan_of(plan: &dyn ExecutionPlan) -> Option<Arc<ExternalScan>> {
    let source = plan.downcast_ref::<DataSourceExec>()?;
    let parquet = source.downcast_to_file_source::<parquet::ParquetFiles>();
    let orc = source.downcast_to_file_source::<orc::OrcFiles>();
    let text = source.downcast_to_file_source::<text::TextFiles>();
    parquet
        .map(|(_, source)| Arc::clone(&source.scan))
        .or_else(|| orc.map(|(_, source)| Arc::clone(&source.scan)))
        .or_else(|| text.map(|(_, source)| Arc::clone(&source.scan)))
}

/// Gives the conditions that an external scan tests itself.
pub fn filter_of(plan: &dyn ExecutionPlan) -> Option<Arc<dyn PhysicalExpr>> {
    let source = plan.downcast_ref::<DataSourceExec>()?;
    let config = source.data_source().downcast_ref::<FileScanConfig>()?;
    config.file_source.filter()
}

/// Gives the columns that the conditions of [`filter_of`] are over.
pub fn filter_schema_of(plan: &dyn ExecutionPlan) -> Option<SchemaRef> {
    let source = plan.downcast_ref::<DataSourceExec>()?;
    let config = source.data_source().downcast_ref::<FileScanConfig>()?;
    Some(Arc::clone(config.file_source.table_schema().table_schema()))
}

/// Gives what an executed external scan did, by slice.
pub fn work_of(plan: &dyn ExecutionPlan) -> BTreeMap<usize, ExternalWork> {
    use datafusion::physical_plan::metrics::MetricValue;
    let mut slices: BTreeMap<usize, ExternalWork> = BTreeMap::new();
    let Some(metrics) = plan.metrics() else {
        return slices;
    };
    for metric in metrics.iter() {
        let Some(slice) = metric.partition() else {
            continue;
        };
        let work = slices.entry(slice).or_default();
        let value = metric.value();
        let amount = value.as_usize() as u64;
        match value {
            MetricValue::StartTimestamp(at) => {
                let at = at.value().map_or(0, |at| at.timestamp_micros());
                work.started_us = match work.started_us {
                    0 => at,
                    first => first.min(at),
                };
            }
            MetricValue::EndTimestamp(at) => {
                let at = at.value().map_or(0, |at| at.timestamp_micros());
                work.ended_us = work.ended_us.max(at);
            }
            _ => match value.name() {
                "output_rows" => {
                    work.rows += amount;
                    work.rows_scanned += amount;
                }
                "output_bytes" => work.bytes += amount,
                // What the filter threw away was read too.
                "pushdown_rows_pruned" => work.rows_scanned += amount,
                named::FILES => work.files += amount,
                named::SPLITS => work.splits += amount,
                named::BYTES => work.bytes_scanned += amount,
                _ => {}
            },
        }
    }
    slices.retain(|_, work| work.started_us != 0);
    slices
}

impl ExternalTable {
    fn table_schema(&self) -> &TableSchema {
        self.schemas.get_or_init(|| {
            let field = |column: &ExternalColumn| {
                let field = column.ty.field(&column.name, true);
                match &column.nested {
                    Some(nested) => nested.note(field),
                    None => field,
                }
            };
            let in_files = self.columns.iter().map(field).collect::<Vec<_>>();
            let by_place = self.partition_columns.iter().map(field);
            let mut by_place: Vec<FieldRef> = by_place.map(Arc::new).collect();
            if self.has_pseudo_columns {
                let path = SqlType::Varchar(PATH_BYTES_MAX).field(PATH, true);
                by_place.push(Arc::new(path));
                by_place.push(Arc::new(SqlType::BigInt.field(SIZE, true)));
            }
            TableSchema::builder(Arc::new(arrow_schema::Schema::new(in_files)))
                .with_table_partition_cols(by_place)
                .build()
        })
    }

    /// Lists the files of the partitions that pass the filters.
    async fn files(
        &self,
        state: &dyn Session,
        filters: &[Expr],
        projection: Option<&Vec<usize>>,
    ) -> Result<(Vec<PartitionedFile>, Found)> {
        let begun = Instant::now();
        if let Some(open) = self.open().await? {
            self.ensure_columns(&open, projection)?;
            return self.open_files(state, filters, &open, begun);
        }
        let all = self.partitions.as_deref();
        let (kept, partition_filters) = match all {
            Some(all) => prune::qualified(state, &self.partition_columns, all, filters)?,
            None => (Vec::new(), Vec::new()),
        };
        let mut scan = self.scan_before_listing(partition_filters);
        scan.partitions = all.map_or(0, |all| distinct(all.iter()));
        scan.partitions_qualified = all.map_or(0, |all| {
            distinct(kept.iter().filter_map(|place| all.get(*place)))
        });
        scan.partition_us = micros(begun);
        let begun = Instant::now();
        let mut found = Vec::new();
        let places: Vec<ExternalPartition> = match all {
            Some(all) => {
                let kept = kept.iter().filter_map(|place| all.get(*place));
                kept.cloned().collect()
            }
            None => vec![ExternalPartition {
                values: Vec::new(),
                location: self.location.clone(),
            }],
        };
        let listings = places.into_iter().map(|place| self.listed(place));
        let mut listings = futures::stream::iter(listings).buffered(LISTINGS_IN_FLIGHT);
        while let Some((files, values)) = listings.try_next().await? {
            list::ensure_count(found.len() + files.len(), &self.location)?;
            for file in files.iter() {
                scan.add(file);
                found.push(self.file(file, &values));
            }
        }
        let scan = self.told(scan, begun);
        Ok((found, Found::new(scan)))
    }

    /// Gives the files of an open table that can have rows which pass the filters.
    fn open_files(
        &self,
        state: &dyn Session,
        filters: &[Expr],
        open: &OpenTable,
        begun: Instant,
    ) -> Result<(Vec<PartitionedFile>, Found)> {
        let list_us = micros(begun);
        let begun = Instant::now();
        let (kept, partition_filters) = self.open_kept(state, filters, open)?;
        let mut scan = self.scan_before_listing(partition_filters);
        scan.is_partitioned = open.is_partitioned;
        let groups = |places: &[usize]| {
            let groups = places.iter().filter_map(|place| open.groups.get(*place));
            groups.collect::<HashSet<_>>().len()
        };
        if open.is_partitioned {
            scan.partitions = open.groups.iter().collect::<HashSet<_>>().len();
            scan.partitions_qualified = groups(&kept);
        }
        scan.partition_us = micros(begun);
        list::ensure_count(kept.len(), &self.location)?;
        let mut found = Vec::with_capacity(kept.len());
        let mut rows = Some(0_u64);
        for place in kept {
            let (Some(file), Some(partition)) = (open.files.get(place), open.partitions.get(place))
            else {
                continue;
            };
            scan.add(file);
            let mut part = self.file(file, &partition.values);
            if let Some(notes) = open.notes.get(place).and_then(Option::as_ref) {
                part.extensions.insert_arc(Arc::clone(notes));
            }
            found.push(part);
            rows = rows.and_then(|rows| Some(rows + open.bounds.rows_of(place)?));
        }
        let mut scan = self.told(scan, begun);
        scan.list_us = list_us;
        scan.row_count = self.row_count.or(rows).or(scan.row_count);
        let calls = Arc::clone(&open.calls);
        Ok((found, Found { scan, calls }))
    }

    /// Gives the places of the files that can have rows which pass the filters, and the conditions on partition columns.
    fn open_kept(
        &self,
        state: &dyn Session,
        filters: &[Expr],
        open: &OpenTable,
    ) -> Result<(Vec<usize>, Vec<Arc<dyn PhysicalExpr>>)> {
        let columns = &self.partition_columns;
        let (kept, tests) = prune::qualified(state, columns, &open.partitions, filters)?;
        let schema = self.table_schema().file_schema();
        let qualified = open.bounds.qualified(state, schema, filters);
        let is_qualified = |place: &usize| qualified.get(*place).copied().unwrap_or(true);
        Ok((kept.into_iter().filter(is_qualified).collect(), tests))
    }

    /// Begins to tell of a scan.
    fn scan_before_listing(&self, partition_filters: Vec<Arc<dyn PhysicalExpr>>) -> ExternalScan {
        ExternalScan {
            table: self.name.clone(),
            oid: self.oid,
            format: self.format.word(),
            location: self.location.clone(),
            is_partitioned: !self.partition_columns.is_empty(),
            partitions: 0,
            partitions_qualified: 0,
            partition_filters,
            partition_us: 0,
            files: 0,
            file_bytes: 0,
            file_bytes_max: 0,
            list_us: 0,
            row_count: self.row_count,
        }
    }

    /// Reads what the log of a table of an open format says; `None` of another table. A statement reads it once.
    async fn open(&self) -> crate::Result<Option<Arc<OpenTable>>> {
        let name = format!("{} {}", self.name, self.location);
        if self.log == TableLog::Folders {
            return Ok(None);
        }
        if let Some(known) = self.lists.opened(&name) {
            return Ok(Some(known));
        }
        let (access, lists, location) = (&self.access, &self.lists, &self.location);
        let opened = match &self.log {
            TableLog::Iceberg { metadata } => {
                let metadata = metadata.as_deref();
                iceberg::read(access, lists, location, metadata, &self.columns).await?
            }
            _ => {
                let declared = delta::Declared {
                    columns: &self.columns,
                    partition_columns: &self.partition_columns,
                };
                delta::read(access, lists, location, declared).await?
            }
        };
        Ok(Some(self.lists.note_opened(&name, opened)))
    }

    /// Refuses columns that a query needs and the table does not have: they may have been renamed.
    fn ensure_columns(
        &self,
        open: &OpenTable,
        projection: Option<&Vec<usize>>,
    ) -> crate::Result<()> {
        let Some(known) = &open.columns else {
            return Ok(());
        };
        let wanted = |place: usize| projection.is_none_or(|places| places.contains(&place));
        for (place, column) in self.columns.iter().enumerate() {
            let is_known = known
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&column.name));
            if wanted(place) && !is_known {
                return Err(iceberg::no_column(&self.name, &column.name, known));
            }
        }
        Ok(())
    }

    /// Adds to what is known of a scan how long listing took and how many rows there are.
    fn told(&self, mut scan: ExternalScan, begun: Instant) -> ExternalScan {
        scan.list_us = micros(begun);
        let learned = self.learned.get();
        let expected = learned.map(|learned| learned.rows_of(scan.file_bytes));
        scan.row_count = self.row_count.or(expected);
        scan
    }

    async fn listed(
        &self,
        place: ExternalPartition,
    ) -> crate::Result<(Arc<Vec<ExternalFile>>, Vec<ScalarValue>)> {
        let files = self.lists.files(&self.access, &place.location).await?;
        Ok((files, place.values))
    }

    fn file(&self, file: &ExternalFile, values: &[ScalarValue]) -> PartitionedFile {
        let mut values = values.to_vec();
        if self.has_pseudo_columns {
            values.push(ScalarValue::Utf8View(Some(file.url.to_string())));
            let size = i64::try_from(file.meta.size).unwrap_or(i64::MAX);
            values.push(ScalarValue::Int64(Some(size)));
        }
        PartitionedFile::new_from_meta(file.meta.clone())
            .with_partition_values(values)
            .with_extension(file.clone())
    }

    /// Tells what is known of a number of rows.
    fn expected(&self, rows: Option<u64>) -> Statistics {
        let rows = match rows {
            Some(rows) => usize::try_from(rows).unwrap_or(usize::MAX),
            None => ROWS_UNKNOWN,
        };
        let mut statistics = Statistics::new_unknown(self.table_schema().table_schema());
        if let Some(learned) = self.learned.get() {
            learned.tell(&mut statistics);
        }
        statistics.num_rows = Precision::Inexact(rows);
        statistics
    }
}

/// What a scan is about to read.
struct Found {
    scan: ExternalScan,
    /// How columns are called in the files.
    calls: Calls,
}

impl Found {
    fn new(scan: ExternalScan) -> Self {
        Self {
            scan,
            calls: Calls::default(),
        }
    }
}

/// Counts partitions that have values.
fn distinct<'a>(partitions: impl Iterator<Item = &'a ExternalPartition>) -> usize {
    let values = partitions.map(|partition| partition.values.as_slice());
    let values = values.filter(|values| !values.is_empty());
    values.collect::<HashSet<&[ScalarValue]>>().len()
}

/// The longest path that `$path` tells: an S3 key has 1,024 bytes, its bucket 63.
const PATH_BYTES_MAX: u32 = 4_096;

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[async_trait]
impl TableProvider for ExternalTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.table_schema().table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Conditions on partition columns are decided here, for all rows of a partition at once; others come down later as
    /// physical expressions.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let decided = |filter: &&Expr| match &self.log {
            _ if prune::is_about(filter, &self.partition_columns) => {
                TableProviderFilterPushDown::Exact
            }
            // What is known of its files may rule some of them out.
            TableLog::Iceberg { .. } | TableLog::Delta => TableProviderFilterPushDown::Inexact,
            TableLog::Folders => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(decided).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (files, Found { scan, calls }) = self.files(state, filters, projection).await?;
        let slices = state.config().target_partitions();
        let groups = match files.is_empty() {
            true => vec![FileGroup::new(Vec::new())],
            false => FileGroup::new(files).split_files(slices),
        };
        let statistics = self.expected(scan.row_count);
        let (scan, schema) = (Arc::new(scan), self.table_schema().clone());
        let source: Arc<dyn FileSource> = match &self.format {
            FileFormat::Parquet => Arc::new(parquet::ParquetFiles::new(schema, scan)),
            FileFormat::Orc { by_position } => Arc::new(orc::OrcFiles::new(
                schema,
                *by_position,
                self.cleansing,
                scan,
            )),
            format => Arc::new(text::TextFiles::new(
                schema,
                self.columns.clone(),
                format.clone(),
                self.cleansing,
                scan,
            )),
        };
        let nested = self.columns.iter().filter_map(|column| {
            let nested = column.nested.clone()?;
            Some((column.name.clone(), nested))
        });
        let adapter = adapt::AdaptColumns {
            table: self.name.clone(),
            format: "Parquet",
            nested: Arc::new(nested.collect()),
            cleansing: self.cleansing,
            calls,
        };
        // Files are read through their own stores; the URL names one that is always there.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(adapter)))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn statistics(&self) -> Option<Statistics> {
        let learned = self.learned.get();
        let rows = self.row_count.or(learned.map(|learned| learned.rows));
        Some(self.expected(rows))
    }
}
