//! ORC files of an external table: of each stripe only the columns that are wanted are read, and stripes whose statistics
//! rule out what is asked are passed over.
//!
//! Source: Redshift's guide, "Creating external tables for Redshift Spectrum", "Mapping external table columns to ORC
//! columns": by name, or by position if the table says so.

mod stripes;

use super::adapt::AdaptColumns;
use super::called::Calls;
use super::cleanse::Cleansing;
use super::named::{BYTES, Counters, name, url_of};
use super::{ExternalFile, ExternalScan};
use crate::error::Error;
use crate::format::orc::{self, StripeReader};
use crate::object::failed;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::StreamExt;
use object_store::ObjectStore;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// The end of a file that is read at first: tails are mostly smaller.
const TAIL_BYTES: u64 = 64 << 10;

/// The ORC files of one scan.
#[derive(Clone)]
pub(super) struct OrcFiles {
    schema: TableSchema,
    by_position: bool,
    projection: SplitProjection,
    /// Conditions that are tested above, and rule out stripes here.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    metrics: ExecutionPlanMetricsSet,
    pub(super) scan: Arc<ExternalScan>,
    cleansing: Option<Cleansing>,
}

impl OrcFiles {
    /// Makes the source of a scan of all columns.
    pub(super) fn new(
        schema: TableSchema,
        by_position: bool,
        cleansing: Option<Cleansing>,
        scan: Arc<ExternalScan>,
    ) -> Self {
        Self {
            projection: SplitProjection::unprojected(&schema),
            schema,
            by_position,
            filters: Vec::new(),
            metrics: ExecutionPlanMetricsSet::new(),
            scan,
            cleansing,
        }
    }
}

impl FileSource for OrcFiles {
    fn create_file_opener(
        &self,
        _store: Arc<dyn ObjectStore>,
        _config: &FileScanConfig,
        slice: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let file_schema = self.schema.file_schema();
        let opener = OrcOpener {
            schema: Arc::clone(file_schema),
            output: Arc::new(file_schema.project(&self.projection.file_indices)?),
            table: self.scan.table.clone(),
            by_position: self.by_position,
            cleansing: self.cleansing,
            filters: self.filters.clone(),
            table_schema: Arc::clone(self.schema.table_schema()),
            counters: Counters::new(&self.metrics, slice),
            bytes: MetricBuilder::new(&self.metrics).counter(BYTES, slice),
        };
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(opener), file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, _rows: usize) -> Arc<dyn FileSource> {
        Arc::new(self.clone())
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "orc"
    }

    /// The conditions are tested above as well: statistics only rule out whole stripes.
    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let count = filters.len();
        let mut source = self.clone();
        source.filters.extend(filters);
        let pushed =
            FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; count]);
        Ok(match count {
            0 => pushed,
            _ => pushed.with_updated_node(Arc::new(source)),
        })
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
        let projected = self.projection.source.iter();
        let all = projected.map(|one| &one.expr).chain(&self.filters);
        for expr in all {
            if visit(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

/// Opens the files of one slice.
#[derive(Clone)]
struct OrcOpener {
    /// The columns of the table that stand in files.
    schema: SchemaRef,
    /// Those that are wanted.
    output: SchemaRef,
    /// All columns of the table, which the filters are over.
    table_schema: SchemaRef,
    table: String,
    by_position: bool,
    cleansing: Option<Cleansing>,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    counters: Counters,
    bytes: Count,
}

impl FileOpener for OrcOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let Some(known) = file.extension::<ExternalFile>().cloned() else {
            return internal_err!("a file of an external table without its store");
        };
        let url = url_of(&file);
        self.counters.begin(&file);
        let opener = self.clone();
        Ok(Box::pin(async move {
            let read = opener.read(known, file.range).await;
            let open = read.map_err(|error| name(error, &url))?;
            let batches = futures::stream::try_unfold(open, Open::next);
            let batches = batches.map(move |batch| batch.map_err(|error| name(error, &url)));
            Ok(batches.boxed())
        }))
    }
}

/// Says what is wrong with a file, to be named with it.
fn damaged(why: String) -> DataFusionError {
    DataFusionError::Execution(format!("not an ORC file, or a damaged one: {why}"))
}

impl OrcOpener {
    /// Reads the tail of a file, and plans which stripes and columns are read.
    async fn read(self, known: ExternalFile, range: Option<FileRange>) -> Result<Open> {
        let source = Source {
            file: known,
            bytes: self.bytes.clone(),
        };
        let file = source.tail().await?;
        let file_schema = match self.by_position {
            false => Arc::clone(file.schema()),
            true => renamed(file.schema(), &self.schema),
        };
        let adapter = AdaptColumns {
            table: self.table,
            format: "ORC",
            nested: Arc::default(),
            cleansing: self.cleansing,
            calls: Calls::default(),
        };
        let adapter = adapter.create(Arc::clone(&self.schema), Arc::clone(&file_schema))?;
        let wanted = self.output.fields().iter().map(|field| {
            let place = self.schema.index_of(field.name())?;
            adapter.rewrite(Arc::new(Column::new(field.name(), place)))
        });
        let wanted: Vec<Arc<dyn PhysicalExpr>> = wanted.collect::<Result<_>>()?;
        let (columns, exprs) = narrowed(wanted)?;
        let kept = stripes::kept(&file, &file_schema, &self.filters, &self.table_schema);
        let stripes = file.stripes().iter().zip(kept).enumerate();
        let in_range = |offset: u64| {
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            range
                .as_ref()
                .is_none_or(|range| (range.start..range.end).contains(&offset))
        };
        let stripes = stripes
            .filter(|(_, (stripe, is_kept))| *is_kept && in_range(stripe.offset()))
            .map(|(place, _)| place);
        Ok(Open {
            stripes: stripes.collect(),
            source,
            file,
            columns,
            exprs,
            output: self.output,
            reader: None,
        })
    }
}

/// Names the columns of a file as those of the table in the same places.
fn renamed(file: &Schema, table: &Schema) -> SchemaRef {
    let fields = file.fields().iter().enumerate().map(|(place, field)| {
        let field = field.as_ref().clone();
        match table.fields().get(place) {
            Some(named) => field.with_name(named.name()),
            None => field.with_name(format!("?{place}")),
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Gives the columns that expressions are over, in order, and the expressions over those alone.
fn narrowed(exprs: Vec<Arc<dyn PhysicalExpr>>) -> Result<(Vec<usize>, Vec<Arc<dyn PhysicalExpr>>)> {
    let mut columns = Vec::new();
    for expr in &exprs {
        expr.apply(|part| {
            columns.extend(part.downcast_ref::<Column>().map(Column::index));
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    columns.sort_unstable();
    columns.dedup();
    let moved = exprs.into_iter().map(|expr| {
        expr.transform(|part| {
            let Some(column) = part.downcast_ref::<Column>() else {
                return Ok(Transformed::no(part));
            };
            let place = columns.binary_search(&column.index()).unwrap_or_default();
            let moved = Column::new(column.name(), place);
            Ok(Transformed::yes(Arc::new(moved) as Arc<dyn PhysicalExpr>))
        })
        .data()
    });
    let moved = moved.collect::<Result<_>>()?;
    Ok((columns, moved))
}

/// Where a file is.
struct Source {
    file: ExternalFile,
    bytes: Count,
}

impl Source {
    async fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let ExternalFile { url, store, meta } = &self.file;
        let read = store.get_ranges(&meta.location, ranges).await;
        let read = read.map_err(|error| failed(url, &error))?;
        self.bytes.add(read.iter().map(Bytes::len).sum());
        Ok(read)
    }

    async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let mut read = self.ranges(&[range]).await?;
        Ok(read.pop().unwrap_or_default())
    }

    async fn tail(&self) -> Result<orc::File> {
        let bytes = self.file.meta.size;
        let mut tail = self.range(bytes.saturating_sub(TAIL_BYTES)..bytes).await?;
        let needed = orc::tail_bytes(&tail).map_err(damaged)?;
        if needed > bytes {
            return Err(damaged("it is shorter than its tail".to_owned()));
        }
        if needed > tail.len() as u64 {
            tail = self.range(bytes - needed..bytes).await?;
        }
        orc::File::parse(&tail, bytes).map_err(damaged)
    }
}

/// Reads the columns of a file.
pub(super) async fn schema_of(file: ExternalFile) -> Result<SchemaRef> {
    let url = Arc::clone(&file.url);
    let source = Source {
        file,
        bytes: Count::new(),
    };
    let file = source.tail().await.map_err(|error| name(error, &url))?;
    Ok(Arc::clone(file.schema()))
}

/// An open file.
struct Open {
    source: Source,
    file: orc::File,
    /// The stripes that are left.
    stripes: VecDeque<usize>,
    /// The columns that are read.
    columns: Vec<usize>,
    /// The columns that are wanted, over those that are read.
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    output: SchemaRef,
    reader: Option<StripeReader>,
}

impl Open {
    /// Gives the next rows.
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some(reader) = &mut self.reader {
                match reader.next_batch().map_err(damaged)? {
                    Some(batch) => {
                        let batch = self.output(&batch)?;
                        // Other streams of this thread have their turn.
                        tokio::task::yield_now().await;
                        return Ok(Some((batch, self)));
                    }
                    None => self.reader = None,
                }
            }
            let Some(stripe) = self.stripes.pop_front() else {
                return Ok(None);
            };
            self.reader = self.stripe(stripe).await?;
        }
    }

    async fn stripe(&mut self, place: usize) -> Result<Option<StripeReader>> {
        let Some(stripe) = self.file.stripes().get(place) else {
            return Ok(None);
        };
        let range = orc::footer_range(stripe).map_err(|why| {
            let state = blueshift_sql::SqlState::PROGRAM_LIMIT_EXCEEDED;
            let message = format!("could not read \"{}\": {why}", self.source.file.url);
            let error = blueshift_sql::Error::new(state, message);
            Error::Sql(error.with_hint("Write the file with smaller stripes."))
        })?;
        let footer = self.source.range(range).await?;
        let plan = self.file.plan(stripe, &footer, &self.columns);
        let plan = plan.map_err(damaged)?;
        let fetched = self.source.ranges(plan.ranges()).await?;
        let reader = self.file.open(plan, &fetched, None, BATCH_ROWS);
        reader.map(Some).map_err(damaged)
    }

    fn output(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.exprs.iter().map(|expr| {
            let value = expr.evaluate(batch)?;
            value.into_array(rows)
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = columns.collect::<Result<_>>()?;
        let output = Arc::clone(&self.output);
        Ok(RecordBatch::try_new_with_options(
            output, columns, &options,
        )?)
    }
}
