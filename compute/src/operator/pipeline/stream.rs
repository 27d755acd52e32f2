//! The run of a fused aggregation over one partition.
//!
//! Rows are added to groups until the input ends, memory does, or, where rows come sorted by the keys, groups are
//! complete. A partial aggregation then gives what it has and begins anew: what follows adds up. A whole one hands over
//! to the engine's, which can spill: its groups so far and those of the rows to come go there as states.

use super::groups::Groups;
use super::keys::Way;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, Gauge};
use futures::{Stream, StreamExt, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Groups at most; half of what numbers of 32 bits with a flag beside them could tell apart, and some.
const GROUPS_MAX: usize = 1 << 24;

/// Rows after which a partial aggregation looks whether it puts rows together at all.
const PROBE_ROWS: usize = 100_000;

/// It does not if it has this part of groups for each row, in percent.
const PROBE_PERCENT: usize = 80;

/// What one partition is at.
pub(super) struct Worker {
    pub(super) input: SendableRecordBatchStream,
    pub(super) groups: Groups,
    /// What it gives.
    pub(super) schema: SchemaRef,
    /// Whether groups are given as states, and may be given several times.
    pub(super) gives_states: bool,
    pub(super) reservation: MemoryReservation,
    pub(super) batch_rows: usize,
    pub(super) metrics: Metrics,
    /// Groups that are to be given, and how many were.
    pub(super) ready: Option<(RecordBatch, usize)>,
    /// Rows since there were no groups.
    pub(super) rows: usize,
    pub(super) has_ended: bool,
}

/// What is told of it.
#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) baseline: BaselineMetrics,
    pub(super) peak: Gauge,
    /// Times that groups were given early, or handed over, because memory was short.
    pub(super) early: Count,
}

/// What a worker comes up with.
pub(super) enum Outcome {
    Batch(RecordBatch),
    /// Its groups are whole ones, and cannot be kept.
    NoMemory,
}

impl Worker {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Outcome>>> {
        let compute = self.metrics.baseline.elapsed_compute().clone();
        loop {
            if let Some(batch) = self.next_ready() {
                return Poll::Ready(Some(Ok(Outcome::Batch(batch))));
            }
            if self.has_ended {
                return Poll::Ready(None);
            }
            let next = ready!(self.input.poll_next_unpin(context));
            let _timer = compute.timer();
            let stepped = match next {
                Some(Ok(batch)) => self.add(&batch),
                Some(Err(error)) => Err(error),
                None => {
                    self.has_ended = true;
                    self.give(self.groups.count()).map(|()| true)
                }
            };
            match stepped {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Some(Ok(Outcome::NoMemory))),
                Err(error) => {
                    self.has_ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Gives the next rows of those that are ready.
    fn next_ready(&mut self) -> Option<RecordBatch> {
        let (batch, given) = self.ready.as_mut()?;
        let left = batch.num_rows() - *given;
        // A few rows are no batch of their own.
        let rows = match left < self.batch_rows * 2 {
            true => left,
            false => self.batch_rows,
        };
        let next = batch.slice(*given, rows);
        *given += rows;
        if *given == batch.num_rows() {
            self.ready = None;
            self.reservation.resize(self.groups.size());
        }
        (rows > 0).then_some(next)
    }

    /// Adds a batch. Gives false if the groups take more memory than there is and must be kept nevertheless.
    fn add(&mut self, batch: &RecordBatch) -> Result<bool> {
        self.groups.add(batch)?;
        self.rows += batch.num_rows();
        let size = self.groups.size();
        let fits = self.reservation.try_resize(size).is_ok();
        self.metrics.peak.set_max(size);
        let count = self.groups.count();
        match self.groups.way() {
            Way::Runs => {
                if count > 1 && (count > self.batch_rows || !fits) {
                    self.give(count - 1)?;
                }
            }
            Way::Each => self.give(count)?,
            Way::Looked => {
                if !fits || count > GROUPS_MAX {
                    self.metrics.early.add(1);
                    if !self.gives_states {
                        return Ok(false);
                    }
                    self.give(count)?;
                } else if self.gives_states
                    && self.rows >= PROBE_ROWS
                    && count > self.rows / 100 * PROBE_PERCENT
                {
                    self.give(count)?;
                    self.groups.set_way(Way::Each);
                }
            }
        }
        Ok(true)
    }

    /// Makes the first groups ready.
    fn give(&mut self, count: usize) -> Result<()> {
        let columns = self.groups.take(count, self.gives_states)?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        self.ready = Some((batch, 0));
        if self.groups.count() == 0 {
            self.rows = 0;
        }
        Ok(())
    }

    /// Gives all groups, and those to come, as states.
    pub(super) fn give_states(&mut self, schema: SchemaRef) -> Result<()> {
        (self.gives_states, self.schema) = (true, schema);
        self.give(self.groups.count())
    }
}

/// A fused aggregation, or what took over from it.
pub(super) struct FusedStream {
    schema: SchemaRef,
    state: State,
    metrics: Metrics,
    hand_over: HandOver,
}

/// Makes the engine's aggregation of what a worker has left.
pub(super) type HandOver = Box<dyn Fn(Worker) -> Result<SendableRecordBatchStream> + Send>;

enum State {
    Working(Box<Worker>),
    HandedOver(SendableRecordBatchStream),
    Done,
}

impl FusedStream {
    pub(super) fn new(worker: Worker, hand_over: HandOver) -> Self {
        Self {
            schema: Arc::clone(&worker.schema),
            metrics: worker.metrics.clone(),
            state: State::Working(Box::new(worker)),
            hand_over,
        }
    }
}

impl Stream for FusedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let outcome = match &mut self.state {
                State::Done => return Poll::Ready(None),
                State::HandedOver(stream) => return stream.poll_next_unpin(context),
                State::Working(worker) => ready!(worker.poll(context)),
            };
            let given = match outcome {
                None => None,
                Some(Ok(Outcome::Batch(batch))) => Some(Ok(batch)),
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(Outcome::NoMemory)) => {
                    let State::Working(worker) = std::mem::replace(&mut self.state, State::Done)
                    else {
                        continue;
                    };
                    match (self.hand_over)(*worker) {
                        Ok(stream) => {
                            self.state = State::HandedOver(stream);
                            continue;
                        }
                        Err(error) => Some(Err(error)),
                    }
                }
            };
            if !matches!(given, Some(Ok(_))) {
                // Memory goes at once, whenever the stream does.
                self.state = State::Done;
            }
            return self.metrics.baseline.record_poll(Poll::Ready(given));
        }
    }
}

impl RecordBatchStream for FusedStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// What a worker has left, as states.
pub(super) struct Rest(pub(super) Worker);

impl Stream for Rest {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.0.poll(context)) {
                Some(Ok(Outcome::Batch(batch))) => return Poll::Ready(Some(Ok(batch))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
                // States are never kept.
                Some(Ok(Outcome::NoMemory)) => {}
            }
        }
    }
}

impl RecordBatchStream for Rest {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }
}
