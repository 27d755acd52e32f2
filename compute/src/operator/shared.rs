//! `SharedExec`: one plan whose rows several places of a statement read.
//!
//! Rows are made once and kept until the statement ends. Whichever reader comes first to the end of what is there
//! makes the next batch, within its own task: nothing is spawned, and no reader waits for another that has stopped.
//! Of the places that read, one has the plan as its child; the others are leaves, so that the plan is in the tree once.

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, CardinalityEffect, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties,
};
use futures::{Stream, StreamExt};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The operator. See the module.
#[derive(Debug)]
pub struct SharedExec {
    /// Equal for all places that read the same rows.
    id: usize,
    input: Arc<dyn ExecutionPlan>,
    /// Whether the plan is this place's child.
    is_first: bool,
    rows: Arc<Rows>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The rows of every partition.
struct Rows {
    partitions: Vec<Mutex<Partition>>,
}

#[derive(Default)]
struct Partition {
    state: State,
    batches: Vec<RecordBatch>,
    memory: Option<MemoryReservation>,
    readers: Arc<Readers>,
}

#[derive(Default)]
enum State {
    #[default]
    New,
    Running(SendableRecordBatchStream),
    Ended,
    Failed(Arc<DataFusionError>),
}

/// Who waits for the next batch; the last to ask is not the only one to be told.
#[derive(Default)]
struct Readers {
    waiting: Mutex<Vec<Waker>>,
}

impl Readers {
    fn add(&self, waker: &Waker) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    fn wake_all(&self) {
        let waiting =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Readers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Rows")
            .field("partitions", &self.partitions.len())
            .finish()
    }
}

impl Rows {
    fn new(partitions: usize) -> Arc<Self> {
        Arc::new(Self {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
        })
    }
}

impl SharedExec {
    /// Makes a place that reads `input` for itself; see [`SharedExec::reading`].
    pub fn new(id: usize, input: Arc<dyn ExecutionPlan>) -> Self {
        let known = input.properties();
        // Batches come as they are made; who wants an order makes it.
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            known.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            id,
            rows: Rows::new(input.output_partitioning().partition_count()),
            is_first: true,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            input,
        }
    }

    /// Which rows are read.
    pub fn id(&self) -> usize {
        self.id
    }

    /// The plan that makes the rows.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// Makes this place read the rows of another, if both have the same columns and places of rows.
    pub fn reading(&self, first: &SharedExec) -> Option<Self> {
        let same = self.id == first.id
            && self.schema() == first.schema()
            && lie_alike(
                self.properties.output_partitioning(),
                first.properties.output_partitioning(),
            );
        same.then(|| Self {
            id: self.id,
            input: Arc::clone(&first.input),
            is_first: false,
            rows: Arc::clone(&first.rows),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// Whether rows lie in as many places by the same columns, or by none in particular.
fn lie_alike(one: &Partitioning, other: &Partitioning) -> bool {
    match (one, other) {
        (Partitioning::UnknownPartitioning(one), Partitioning::UnknownPartitioning(other)) => {
            one == other
        }
        (one, other) => one == other,
    }
}

impl DisplayAs for SharedExec {
    fn fmt_as(
        &self,
        _format: DisplayFormatType,
        formatter: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        write!(formatter, "SharedExec: {}", self.id)
    }
}

impl ExecutionPlan for SharedExec {
    fn name(&self) -> &str {
        "SharedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.children().iter().map(|_| false).collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        self.children().iter().map(|_| false).collect()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        if self.is_first {
            vec![&self.input]
        } else {
            Vec::new()
        }
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) => Ok(Arc::new(Self::new(self.id, input))),
            None => Ok(self),
        }
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if let Some(rows) = self.rows.partitions.get(partition) {
            let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(rows.state, State::New) {
                let consumer = MemoryConsumer::new(format!("SharedExec[{partition}]"));
                rows.memory = Some(consumer.register(task.memory_pool()));
                rows.state = State::Running(self.input.execute(partition, task)?);
            }
        }
        Ok(Box::pin(Reader {
            rows: Arc::clone(&self.rows),
            partition,
            position: 0,
            schema: self.schema(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.children()
            .iter()
            .map(|_| ChildStats::At(partition))
            .collect()
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _arguments: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match inputs.first() {
            Some(only) => Ok(Arc::clone(only)),
            None => Ok(Arc::new(Statistics::new_unknown(&self.schema()))),
        }
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

/// One reader of one partition.
struct Reader {
    rows: Arc<Rows>,
    partition: usize,
    position: usize,
    schema: SchemaRef,
    metrics: BaselineMetrics,
}

impl Partition {
    /// Gives batch number `position`, making it if it is the next one.
    fn poll_batch(
        &mut self,
        position: usize,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch>>> {
        if let Some(batch) = self.batches.get(position) {
            return Poll::Ready(Some(Ok(batch.clone())));
        }
        let stream = match &mut self.state {
            State::Running(stream) => stream,
            State::New | State::Ended => return Poll::Ready(None),
            State::Failed(error) => {
                return Poll::Ready(Some(Err(DataFusionError::Shared(Arc::clone(error)))));
            }
        };
        self.readers.add(context.waker());
        let waker = Waker::from(Arc::clone(&self.readers));
        let made = match stream.poll_next_unpin(&mut Context::from_waker(&waker)) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(made) => made,
        };
        let kept = made.map(|batch| -> Result<RecordBatch> {
            let batch = batch?;
            if let Some(memory) = &self.memory {
                memory.try_grow(batch.get_array_memory_size())?;
            }
            Ok(batch)
        });
        self.readers.wake_all();
        match kept {
            None => {
                self.state = State::Ended;
                Poll::Ready(None)
            }
            Some(Ok(batch)) => {
                self.batches.push(batch.clone());
                Poll::Ready(Some(Ok(batch)))
            }
            Some(Err(error)) => {
                let error = Arc::new(error);
                self.state = State::Failed(Arc::clone(&error));
                Poll::Ready(Some(Err(DataFusionError::Shared(error))))
            }
        }
    }
}

impl Stream for Reader {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let rows = Arc::clone(&self.rows);
        let Some(partition) = rows.partitions.get(self.partition) else {
            return Poll::Ready(None);
        };
        let mut partition = partition.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = partition.poll_batch(self.position, context);
        drop(partition);
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.position += 1;
        }
        self.metrics.record_poll(polled)
    }
}

impl RecordBatchStream for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int32Array;
    use arrow_schema::{DataType, Field, Schema};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    /// Three batches in one partition.
    fn places() -> [SharedExec; 2] {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, false)]));
        let batch = |values: &[i32]| {
            let column = Arc::new(Int32Array::from(values.to_vec()));
            RecordBatch::try_new(Arc::clone(&schema), vec![column]).expect("one column")
        };
        let rows = vec![batch(&[1, 2]), batch(&[3]), batch(&[4, 5, 6])];
        let source = MemorySourceConfig::try_new_exec(&[rows], Arc::clone(&schema), None);
        let first = SharedExec::new(7, source.expect("a plan"));
        let second = SharedExec::new(7, Arc::clone(first.input()));
        let second = second.reading(&first).expect("the same rows");
        [first, second]
    }

    async fn rows_of(stream: &mut SendableRecordBatchStream) -> usize {
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch.expect("no error").num_rows();
        }
        rows
    }

    #[tokio::test]
    async fn every_place_reads_all_rows_once_made() {
        let [first, second] = places();
        assert!(second.children().is_empty());
        let task = Arc::new(TaskContext::default());
        let mut one = first.execute(0, Arc::clone(&task)).expect("a stream");
        let mut other = second.execute(0, Arc::clone(&task)).expect("a stream");
        assert_eq!(
            one.next()
                .await
                .map(|batch| batch.expect("rows").num_rows()),
            Some(2)
        );
        assert_eq!(rows_of(&mut other).await, 6);
        assert_eq!(rows_of(&mut one).await, 4);
        let metrics = first.input().metrics().expect("metrics");
        assert_eq!(metrics.output_rows().unwrap_or(6), 6);
    }

    #[tokio::test]
    async fn a_place_that_stops_early_does_not_stop_the_others() {
        let [first, second] = places();
        let task = Arc::new(TaskContext::default());
        let mut one = first.execute(0, Arc::clone(&task)).expect("a stream");
        assert!(one.next().await.is_some());
        drop(one);
        let mut other = second.execute(0, task).expect("a stream");
        assert_eq!(rows_of(&mut other).await, 6);
    }

    #[tokio::test]
    async fn every_place_is_told_of_an_error() {
        let [first, second] = places();
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(1)))
            .build_arc()
            .expect("a runtime");
        let task = Arc::new(TaskContext::default().with_runtime(runtime));
        for place in [first, second] {
            let mut stream = place.execute(0, Arc::clone(&task)).expect("a stream");
            let error = stream
                .next()
                .await
                .expect("an answer")
                .expect_err("no memory");
            assert!(matches!(
                error.find_root(),
                DataFusionError::ResourcesExhausted(_)
            ));
        }
    }
}
