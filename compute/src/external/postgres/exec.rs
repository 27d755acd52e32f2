//! The scan: one query in PostgreSQL, its rows in batches.

use super::catalog::Wire;
use super::connect::{Link, Source};
use super::decode::Decoder;
use super::snapshot::Snapshots;
use crate::error::Error;
use crate::resource::BATCH_ROWS;
use arrow::record_batch::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use tokio_postgres::CopyOutStream;

/// Bytes that a batch is made of at most.
const BATCH_BYTES: usize = 4 << 20;
/// The counter of bytes received. The steps of a query read it too.
const BYTES: &str = "bytes_read";

/// A query in PostgreSQL.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) source: Arc<Source>,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) sql: String,
    pub(super) wires: Vec<Wire>,
    pub(super) is_grouped: bool,
}

/// Reads the rows of one query in PostgreSQL.
#[derive(Debug)]
pub struct RemoteScanExec {
    name: String,
    query: Query,
    schema: SchemaRef,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What a scan did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteWork {
    /// Rows received.
    pub rows: u64,
    /// Bytes received.
    pub bytes: u64,
    /// When it began, in microseconds since 1970.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
}

impl RemoteScanExec {
    pub(super) fn new(
        name: String,
        query: Query,
        schema: SchemaRef,
        statistics: Statistics,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            name,
            query,
            schema,
            statistics: Arc::new(statistics),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// `schema.table` here.
    pub fn table(&self) -> &str {
        &self.name
    }

    /// The query there.
    pub fn sql(&self) -> &str {
        &self.query.sql
    }

    /// Names the server and the database.
    pub fn place(&self) -> String {
        self.query.source.place()
    }

    /// Whether rows are grouped there.
    pub fn is_grouped(&self) -> bool {
        self.query.is_grouped
    }

    /// Gives what it did; `None` if it did not run.
    pub fn work(&self) -> Option<RemoteWork> {
        use datafusion::physical_plan::metrics::MetricValue;
        let mut work = RemoteWork::default();
        for metric in self.metrics.clone_inner().iter() {
            let value = metric.value();
            match value {
                MetricValue::StartTimestamp(at) => {
                    work.started_us = at.value().map_or(0, |at| at.timestamp_micros());
                }
                MetricValue::EndTimestamp(at) => {
                    work.ended_us = at.value().map_or(0, |at| at.timestamp_micros());
                }
                _ if value.name() == "output_rows" => work.rows += value.as_usize() as u64,
                _ if value.name() == BYTES => work.bytes += value.as_usize() as u64,
                _ => {}
            }
        }
        work.ended_us = work.ended_us.max(work.started_us);
        (work.started_us != 0).then_some(work)
    }
}

impl DisplayAs for RemoteScanExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => {
                writeln!(formatter, "table={}", self.name)?;
                writeln!(formatter, "sql={}", self.query.sql)
            }
            _ => write!(
                formatter,
                "RemoteScanExec: {}, sql={}",
                self.name, self.query.sql
            ),
        }
    }
}

impl ExecutionPlan for RemoteScanExec {
    fn name(&self) -> &'static str {
        "RemoteScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep),
        )
    }

    fn apply_expressions(
        &self,
        _visitor: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition > 0 {
            return internal_err!("{} has no partition {partition}", self.name);
        }
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = Rows {
            query: self.query.clone(),
            schema: Arc::clone(&self.schema),
            bytes: MetricBuilder::new(&self.metrics).counter(BYTES, partition),
        };
        let batches = futures::stream::once(rows.begin())
            .try_flatten()
            .map(move |batch| {
                let batch: Result<RecordBatch> = batch.map_err(Into::into);
                batch.map(|batch| batch.record_output(&metrics))
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(Arc::clone(&self.statistics))
    }
}

/// What makes the rows of a query.
struct Rows {
    query: Query,
    schema: SchemaRef,
    bytes: Count,
}

/// A query that runs. The connection ends with it, and is busy until the last row was received.
struct Running {
    rows: Pin<Box<CopyOutStream>>,
    link: Link,
    source: Arc<Source>,
    decoder: Decoder,
    bytes: Count,
    is_done: bool,
}

impl Rows {
    async fn begin(
        self,
    ) -> Result<impl futures::Stream<Item = Result<RecordBatch, Error>> + Send, Error> {
        let Query {
            source,
            snapshots,
            sql,
            wires,
            ..
        } = self.query;
        let decoder = Decoder::new(self.schema, &wires)?;
        let mut link = snapshots.connect(&source).await?;
        let copy = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
        link.is_busy = true;
        let rows = link.client.copy_out(copy.as_str()).await;
        link.is_busy = rows.is_ok();
        let rows = rows.map_err(|error| source.failed(&error))?;
        let running = Running {
            rows: Box::pin(rows),
            link,
            source,
            decoder,
            bytes: self.bytes,
            is_done: false,
        };
        Ok(futures::stream::try_unfold(
            running,
            |mut running| async move {
                let batch = running.next().await?;
                Ok(batch.map(|batch| (batch, running)))
            },
        ))
    }
}

impl Running {
    async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        while !self.is_done {
            match self.rows.next().await {
                Some(Ok(message)) => {
                    self.bytes.add(message.len());
                    self.decoder.message(&message)?;
                    let is_full =
                        self.decoder.rows() >= BATCH_ROWS || self.decoder.bytes() >= BATCH_BYTES;
                    if is_full {
                        break;
                    }
                }
                Some(Err(error)) => {
                    self.link.is_busy = false;
                    return Err(self.source.failed(&error));
                }
                None => {
                    self.is_done = true;
                    self.link.is_busy = false;
                }
            }
        }
        match self.decoder.rows() {
            0 => Ok(None),
            _ => self.decoder.finish().map(Some),
        }
    }
}
