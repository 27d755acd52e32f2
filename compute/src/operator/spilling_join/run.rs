//! The course of a join on a slice: a pass over the two inputs, and one over each pair of partitions that it leaves.
//!
//! A pass loads the side that becomes the table. If that fits, the engine's join runs over it and the other side; if not,
//! both are dealt to partitions, and the pairs wait. Everything is done within the stream's own polls: dropping it ends
//! the work, and gives back memory and files.

use super::handed::HandedExec;
use super::partition::{Complete, Filed, Partitions, is_exhausted, pending_bytes_max};
use super::probe::{Fate, Passing, Probe, lock};
use super::split::Splitter;
use super::{Limits, SpillingJoinExec, can_be_cut, gives_unmatched, nulls_match};
use crate::operator::compact::{compacted, cost};
use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::{JoinSide, JoinType};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation, UnboundedMemoryPool};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, RecordOutput,
    SpillMetrics, Time,
};
use datafusion::physical_plan::spill::SpillManager;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, future, stream};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A partition that has so many of all rows, as parts of so many, is not dealt again: they have one key.
const STUCK_SHARE: (usize, usize) = (3, 4);

/// One value for the left side and one for the right.
struct Sides<T> {
    left: T,
    right: T,
}

impl<T> Sides<T> {
    fn of(&self, side: JoinSide) -> &T {
        match side {
            JoinSide::Right => &self.right,
            JoinSide::Left | JoinSide::None => &self.left,
        }
    }

    /// Puts the value of `side` and that of the other where they belong.
    fn with(side: JoinSide, own: T, other: T) -> Self {
        match side {
            JoinSide::Right => Self {
                left: other,
                right: own,
            },
            JoinSide::Left | JoinSide::None => Self {
                left: own,
                right: other,
            },
        }
    }
}

fn other(side: JoinSide) -> JoinSide {
    match side {
        JoinSide::Right => JoinSide::Left,
        JoinSide::Left | JoinSide::None => JoinSide::Right,
    }
}

/// The rows of both sides that fell to one partition.
struct Pair {
    sides: Sides<Filed>,
    /// How often they were dealt.
    depth: usize,
    /// Whether dealing them again is no use.
    is_stuck: bool,
}

/// Where the rows of the other side come from.
enum Source {
    Input(SendableRecordBatchStream),
    Pair(Pair),
}

/// A pass over two sides.
struct Pass {
    /// The side of which tables are made.
    build: JoinSide,
    /// Its rows.
    rows: SendableRecordBatchStream,
    /// One of its batches that was read and did not fit.
    carried: Option<RecordBatch>,
    source: Source,
    /// Whether the other side was tried before.
    is_turned: bool,
}

impl Pass {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.carried.take() {
            Some(batch) => Ok(Some(batch)),
            None => self.rows.next().await.transpose(),
        }
    }

    fn depth(&self) -> usize {
        match &self.source {
            Source::Input(_) => 0,
            Source::Pair(pair) => pair.depth,
        }
    }
}

/// The engine's join of some rows, while it runs.
struct Joining {
    plan: Arc<dyn ExecutionPlan>,
    rows: SendableRecordBatchStream,
    then: Then,
}

/// What follows when a join has ended.
enum Then {
    /// The next pair.
    Next,
    /// The next piece of the same pair.
    Load(Pass),
    /// The pairs that were written meanwhile.
    Pairs(Written),
}

/// What a pass leaves that dealt its rows.
struct Written {
    build: JoinSide,
    /// By partition; none for those in memory.
    built: Vec<Option<Filed>>,
    rows: usize,
    depth: usize,
    probe: Arc<Mutex<Probe>>,
}

enum Stage {
    Load(Pass),
    Join(Joining),
    Next,
}

/// What is reported of a join on a slice.
struct Figures {
    base: BaselineMetrics,
    build_rows: Count,
    build_memory: Gauge,
    build_time: Time,
    join_time: Time,
    /// Pairs of partitions that were joined from files.
    pairs: Count,
}

impl Figures {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let build = || MetricBuilder::new(metrics);
        Self {
            base: BaselineMetrics::new(metrics, partition),
            build_rows: build().counter("build_input_rows", partition),
            build_memory: build().gauge("build_mem_used", partition),
            build_time: build().subset_time("build_time", partition),
            join_time: build().subset_time("join_time", partition),
            pairs: build().counter("spilled_pairs", partition),
        }
    }

    /// Adds the time of operators of the engine's that were run within.
    fn add(&self, plan: &dyn ExecutionPlan) {
        if let Some(metrics) = plan.metrics() {
            let joined = metrics.sum_by_name("join_time");
            add_nanoseconds(&self.join_time, joined.map_or(0, |time| time.as_usize()));
            let computed = metrics.elapsed_compute().unwrap_or(0);
            add_nanoseconds(self.base.elapsed_compute(), computed);
        }
        for child in plan.children() {
            self.add(child.as_ref());
        }
    }
}

fn add_nanoseconds(time: &Time, nanoseconds: usize) {
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
    time.add_duration(Duration::from_nanos(nanoseconds));
}

/// A join on a slice. See the module.
pub(super) struct Run {
    join: Arc<HashJoinExec>,
    limits: Limits,
    schema: SchemaRef,
    /// What the engine's joins run in: what they take is reserved before they begin.
    task: Arc<TaskContext>,
    memory: Arc<MemoryReservation>,
    spills: Sides<Arc<SpillManager>>,
    figures: Figures,
    pairs: Vec<Pair>,
    stage: Stage,
}

impl Run {
    /// Joins `inputs`, the left and the right one, on a slice.
    pub(super) fn new(
        exec: &SpillingJoinExec,
        (partition, task): (usize, &Arc<TaskContext>),
        [left, right]: [SendableRecordBatchStream; 2],
    ) -> Self {
        let join = Arc::clone(&exec.join);
        let consumer = MemoryConsumer::new(format!("SpillingJoin[{partition}]"));
        let memory = consumer.with_can_spill(true).register(task.memory_pool());
        let spilled = SpillMetrics::new(&exec.metrics, partition);
        let spill = |input: &Arc<dyn ExecutionPlan>| {
            let config = task.session_config();
            let spill = SpillManager::new(task.runtime_env(), spilled.clone(), input.schema());
            Arc::new(spill.with_compression_type(config.spill_compression()))
        };
        Self {
            limits: exec.limits,
            schema: join.schema(),
            task: Arc::new(unlimited(task)),
            memory: Arc::new(memory),
            spills: Sides {
                left: spill(join.left()),
                right: spill(join.right()),
            },
            figures: Figures::new(&exec.metrics, partition),
            pairs: Vec::new(),
            stage: Stage::Load(Pass {
                build: JoinSide::Left,
                rows: left,
                carried: None,
                source: Source::Input(right),
                is_turned: false,
            }),
            join,
        }
    }

    /// Gives the rows of the join.
    pub(super) fn stream(self) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let rows = stream::try_unfold(Box::new(self), |mut run| async move {
            let batch = run.next().await?;
            Ok(batch.map(|batch| (batch, run)))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Next) {
                Stage::Load(pass) => self.load(pass).await?,
                Stage::Join(mut joining) => match joining.rows.next().await {
                    Some(batch) => {
                        let batch = batch.record_output(&self.figures.base)?;
                        self.stage = Stage::Join(joining);
                        return Ok(Some(batch));
                    }
                    None => self.joined(joining).await?,
                },
                Stage::Next => match self.pairs.pop() {
                    Some(pair) => {
                        self.figures.pairs.add(1);
                        let build = match pair.sides.right.cost < pair.sides.left.cost {
                            true => JoinSide::Right,
                            false => JoinSide::Left,
                        };
                        Stage::Load(self.pass(pair, build, false)?)
                    }
                    None => return Ok(None),
                },
            };
        }
    }

    /// Begins a pass over a pair of which one side becomes tables.
    fn pass(&self, pair: Pair, build: JoinSide, is_turned: bool) -> Result<Pass> {
        Ok(Pass {
            build,
            rows: self.open(build, pair.sides.of(build))?,
            carried: None,
            source: Source::Pair(pair),
            is_turned,
        })
    }

    fn open(&self, side: JoinSide, filed: &Filed) -> Result<SendableRecordBatchStream> {
        let spill = self.spills.of(side);
        match &filed.file {
            Some(file) => spill.read_spill_as_stream_unbuffered(Arc::clone(file), None),
            None => Ok(self.kept_rows(side, Vec::new())),
        }
    }

    fn kept_rows(&self, side: JoinSide, kept: Vec<RecordBatch>) -> SendableRecordBatchStream {
        let schema = Arc::clone(self.spills.of(side).schema());
        let rows = stream::iter(kept.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }

    /// Loads the rows of which a table is made, as many as fit.
    async fn load(&mut self, mut pass: Pass) -> Result<Stage> {
        let is_input = matches!(pass.source, Source::Input(_));
        self.memory.try_grow(pending_bytes_max(self.limits))?;
        let mut kept = Vec::new();
        while let Some(batch) = pass.next().await? {
            let timer = self.figures.build_time.timer();
            if is_input {
                self.figures.build_rows.add(batch.num_rows());
            }
            let batch = compacted(batch)?;
            let grown = self.memory.try_grow(cost(&batch));
            timer.done();
            match grown {
                Ok(()) => kept.push(batch),
                Err(error) if is_exhausted(&error) => {
                    pass.carried = Some(batch);
                    return self.overflow(pass, kept, error).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.join_kept(pass, kept)
    }

    /// Goes on with rows that do not fit: deals them, or else joins what is there, which comes back for the rest.
    async fn overflow(
        &mut self,
        pass: Pass,
        kept: Vec<RecordBatch>,
        error: DataFusionError,
    ) -> Result<Stage> {
        let join_type = *self.join.join_type();
        let Pass { build, .. } = pass;
        let can_be_dealt = match &pass.source {
            Source::Input(_) => true,
            Source::Pair(pair) => {
                // A full join cannot go on otherwise, and the rows may have a few keys after all.
                let is_useless = pair.is_stuck && join_type != JoinType::Full;
                pair.depth < self.limits.depth_max && !is_useless
            }
        };
        if can_be_dealt {
            return self.deal(pass, kept).await;
        }
        if can_be_cut(join_type, build) {
            return match kept.is_empty() {
                true => Err(error),
                false => self.join_kept(pass, kept),
            };
        }
        match pass.source {
            Source::Pair(pair) if !pass.is_turned && can_be_cut(join_type, other(build)) => {
                drop(kept);
                self.memory.free();
                Ok(Stage::Load(self.pass(pair, other(build), true)?))
            }
            _ => Err(error),
        }
    }

    /// Joins rows that were loaded with all of the other side.
    fn join_kept(&mut self, pass: Pass, kept: Vec<RecordBatch>) -> Result<Stage> {
        let build = pass.build;
        let built = self.kept_rows(build, kept);
        let (probed, then) = match pass.source {
            Source::Input(input) => (input, Then::Next),
            Source::Pair(pair) => {
                let probed = self.open(other(build), pair.sides.of(other(build)))?;
                let source = Source::Pair(pair);
                let then = match pass.carried.is_some() {
                    true => Then::Load(Pass { source, ..pass }),
                    false => Then::Next,
                };
                (probed, then)
            }
        };
        self.join(build, (built, probed), then)
    }

    /// Runs the engine's join.
    fn join(
        &self,
        build: JoinSide,
        (built, probed): (SendableRecordBatchStream, SendableRecordBatchStream),
        then: Then,
    ) -> Result<Stage> {
        self.figures.build_memory.set_max(self.memory.size());
        let rows = Sides::with(build, built, probed);
        let handed = |side, rows| -> Arc<dyn ExecutionPlan> {
            let schema = Arc::clone(self.spills.of(side).schema());
            Arc::new(HandedExec::new(schema, rows))
        };
        let inputs = vec![
            handed(JoinSide::Left, rows.left),
            handed(JoinSide::Right, rows.right),
        ];
        let join = self.join.builder().reset_state();
        let join = join.with_new_children(inputs)?;
        let join = join.recompute_properties().build()?;
        let plan = match build {
            JoinSide::Right => join.swap_inputs(PartitionMode::Partitioned)?,
            JoinSide::Left | JoinSide::None => Arc::new(join),
        };
        Ok(Stage::Join(Joining {
            rows: plan.execute(0, Arc::clone(&self.task))?,
            plan,
            then,
        }))
    }

    /// Ends a join, and says what follows.
    async fn joined(&mut self, joining: Joining) -> Result<Stage> {
        let Joining { plan, rows, then } = joining;
        self.figures.add(plan.as_ref());
        drop((plan, rows));
        let probe = match &then {
            Then::Pairs(written) => Some(Arc::clone(&written.probe)),
            Then::Next | Then::Load(_) => None,
        };
        if let Some(probe) = probe {
            // The join may have ended before its input did; what is left belongs to other partitions.
            while let Some(batch) = future::poll_fn(|cx| lock(&probe).poll_next(cx)).await {
                batch?;
            }
        }
        let stage = match then {
            Then::Next => Stage::Next,
            Then::Load(pass) => Stage::Load(pass),
            Then::Pairs(written) => {
                self.keep_pairs(written)?;
                Stage::Next
            }
        };
        self.memory.free();
        Ok(stage)
    }

    /// Deals the rows of both sides: of the first now, of the other while those in memory are joined.
    async fn deal(&mut self, mut pass: Pass, kept: Vec<RecordBatch>) -> Result<Stage> {
        let (build, depth) = (pass.build, pass.depth());
        let is_input = matches!(pass.source, Source::Input(_));
        let mut splitter = self.splitter(build, depth);
        let mut partitions = self.partitions(build, true);
        let mut rows = 0;
        for batch in kept {
            let timer = self.figures.build_time.timer();
            self.memory.shrink(cost(&batch));
            rows += batch.num_rows();
            partitions.deal(&mut splitter, &batch)?;
            timer.done();
            tokio::task::yield_now().await;
        }
        // The one that did not fit was counted when it was read.
        let mut is_counted = pass.carried.is_some();
        while let Some(batch) = pass.next().await? {
            let timer = self.figures.build_time.timer();
            if is_input && !std::mem::take(&mut is_counted) {
                self.figures.build_rows.add(batch.num_rows());
            }
            rows += batch.num_rows();
            partitions.deal(&mut splitter, &batch)?;
            timer.done();
            tokio::task::yield_now().await;
        }
        partitions.put_all_away()?;
        while partitions.write_some()? {
            tokio::task::yield_now().await;
        }
        let complete = partitions.complete()?;
        self.probe(pass, (complete, rows, depth))
    }

    /// Has the other side pass the partitions in memory.
    fn probe(
        &mut self,
        pass: Pass,
        (complete, rows, depth): (Vec<Complete>, usize, usize),
    ) -> Result<Stage> {
        let build = pass.build;
        let drops = !gives_unmatched(*self.join.join_type(), other(build));
        let (mut kept, mut built, mut fates) = (Vec::new(), Vec::new(), Vec::new());
        for partition in complete {
            match partition {
                Complete::Filed(filed) => {
                    built.push(Some(filed));
                    fates.push(Fate::Write);
                }
                Complete::Kept(batches) => {
                    fates.push(match batches.is_empty() && drops {
                        true => Fate::Drop,
                        false => Fate::Pass,
                    });
                    kept.extend(batches);
                    built.push(None);
                }
            }
        }
        let input = match pass.source {
            Source::Input(input) => input,
            Source::Pair(pair) => self.open(other(build), pair.sides.of(other(build)))?,
        };
        let written = self.partitions(other(build), false);
        let splitter = self.splitter(other(build), depth);
        let probe = Probe::new(input, splitter, fates, written).timed([
            self.figures.base.elapsed_compute().clone(),
            self.figures.join_time.clone(),
        ]);
        let probe = Arc::new(Mutex::new(probe));
        let schema = Arc::clone(self.spills.of(other(build)).schema());
        let passing: SendableRecordBatchStream = Box::pin(Passing::new(Arc::clone(&probe), schema));
        let written = Written {
            build,
            built,
            rows,
            depth,
            probe,
        };
        self.join(
            build,
            (self.kept_rows(build, kept), passing),
            Then::Pairs(written),
        )
    }

    fn splitter(&self, side: JoinSide, depth: usize) -> Splitter {
        let keys = self.join.on().iter().map(|(left, right)| match side {
            JoinSide::Right => Arc::clone(right),
            JoinSide::Left | JoinSide::None => Arc::clone(left),
        });
        let matches = nulls_match(&self.join);
        Splitter::new(keys.collect(), matches, self.limits.partitions, depth)
    }

    fn partitions(&self, side: JoinSide, is_kept: bool) -> Partitions {
        let spill = Arc::clone(self.spills.of(side));
        Partitions::new(spill, Arc::clone(&self.memory), self.limits, is_kept)
    }

    /// Keeps the pairs of partitions of which something can come.
    fn keep_pairs(&mut self, written: Written) -> Result<()> {
        let probed = lock(&written.probe).complete()?;
        let join_type = *self.join.join_type();
        let (part, whole) = STUCK_SHARE;
        for (built, probed) in written.built.into_iter().zip(probed) {
            let Some(built) = built else {
                continue;
            };
            let is_stuck = built.rows * whole >= written.rows * part;
            let sides = Sides::with(written.build, built, probed);
            let appears = |side| {
                let has_rows = sides.of(side).rows > 0;
                has_rows && (sides.of(other(side)).rows > 0 || gives_unmatched(join_type, side))
            };
            if appears(JoinSide::Left) || appears(JoinSide::Right) {
                self.pairs.push(Pair {
                    sides,
                    depth: written.depth + 1,
                    is_stuck,
                });
            }
        }
        Ok(())
    }
}

/// Gives what a statement's operators run in, without the limit of its memory.
fn unlimited(task: &TaskContext) -> TaskContext {
    let runtime = RuntimeEnv {
        memory_pool: Arc::new(UnboundedMemoryPool::default()),
        ..RuntimeEnv::clone(&task.runtime_env())
    };
    TaskContext::new(
        task.task_id(),
        task.session_id(),
        task.session_config().clone(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::new(runtime),
    )
}
