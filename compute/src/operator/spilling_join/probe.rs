//! The other side of a join of which some partitions are in memory: their rows pass, those of the others are written.

use super::partition::{Complete, Filed, Partitions};
use super::split::Splitter;
use crate::operator::compact::taken;
use arrow::array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::metrics::Time;
use futures::{Stream, StreamExt};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// What becomes of the rows of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They meet a table in memory.
    Pass,
    /// They meet a file, later.
    Write,
    /// They meet nothing, and do not appear.
    Drop,
}

/// The rows of the other side, on their way.
pub(super) struct Probe {
    input: SendableRecordBatchStream,
    splitter: Splitter,
    fates: Vec<Fate>,
    written: Option<Partitions>,
    is_ended: bool,
    times: [Time; 2],
}

impl Probe {
    /// Deals the rows of `input`; a fate for each partition.
    pub(super) fn new(
        input: SendableRecordBatchStream,
        splitter: Splitter,
        fates: Vec<Fate>,
        written: Partitions,
    ) -> Self {
        Self {
            input,
            splitter,
            fates,
            written: Some(written),
            is_ended: false,
            times: [Time::new(), Time::new()],
        }
    }

    /// Counts the time that dealing takes.
    pub(super) fn timed(self, times: [Time; 2]) -> Self {
        Self { times, ..self }
    }

    /// Writes the rows of a batch that are to be written, and gives those that pass.
    fn deal(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let _timers = self.times.each_ref().map(Time::timer);
        let mut passing = Vec::new();
        let dealt = self.splitter.split(batch)?.iter().zip(&self.fates);
        for (place, (rows, fate)) in dealt.enumerate() {
            match (fate, &mut self.written) {
                (Fate::Pass, _) => passing.extend_from_slice(rows),
                (Fate::Write, Some(written)) => written.add(place, batch, rows)?,
                (Fate::Drop, _) | (Fate::Write, None) => {}
            }
        }
        match passing.is_empty() {
            true => Ok(None),
            false => taken(batch, UInt32Array::from(passing)).map(Some),
        }
    }

    /// Gives the next rows that pass.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let batch = match self.input.poll_next_unpin(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(batch) => batch,
        };
        let dealt = match batch {
            None => {
                self.is_ended = true;
                return Poll::Ready(None);
            }
            Some(Err(error)) => Err(error),
            Some(Ok(batch)) => self.deal(&batch),
        };
        match dealt {
            Ok(Some(passing)) => Poll::Ready(Some(Ok(passing))),
            Ok(None) => {
                // Nothing of this batch passes: others run before the next one.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => {
                self.is_ended = true;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    /// Ends the files, and gives them by partition.
    pub(super) fn complete(&mut self) -> Result<Vec<Filed>> {
        let Some(written) = self.written.take() else {
            return Ok(Vec::new());
        };
        let complete = written.complete()?.into_iter();
        let filed = complete.map(|partition| match partition {
            Complete::Filed(filed) => filed,
            Complete::Kept(_) => Filed::default(),
        });
        Ok(filed.collect())
    }
}

/// The rows that pass, as a stream; who made it has the rest.
pub(super) struct Passing {
    probe: Arc<Mutex<Probe>>,
    schema: SchemaRef,
}

impl Passing {
    /// Makes the stream.
    pub(super) fn new(probe: Arc<Mutex<Probe>>, schema: SchemaRef) -> Self {
        Self { probe, schema }
    }
}

/// Takes hold of the rows for one step.
pub(super) fn lock(probe: &Mutex<Probe>) -> MutexGuard<'_, Probe> {
    probe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream for Passing {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        lock(&self.probe).poll_next(context)
    }
}

impl RecordBatchStream for Passing {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
