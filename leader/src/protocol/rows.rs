//! Rows on their way: a task on the sessions' runtime takes what the plan makes and encodes it, the connection takes
//! the bytes.

use crate::error::sqlstate::{self, Report};
use crate::protocol::connection::Place;
use crate::protocol::encode::{Chunk, Encoder};
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{FutureExt, StreamExt};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Chunks that wait for the socket.
const CHUNKS_MAX: usize = 2;

/// The rows of one answer; dropping them stops the plan.
pub(super) struct Rows {
    chunks: mpsc::Receiver<Result<Chunk, Report>>,
    /// What runs the plan, unless it has ended.
    task: Option<AbortHandle>,
    /// What was taken and not yet sent.
    rest: VecDeque<Chunk>,
    /// Rows sent.
    pub(super) sent: u64,
}

impl Rows {
    /// Starts the plan where its statement began.
    pub(super) async fn start(
        sessions: &Handle,
        place: Place,
        stream: SendableRecordBatchStream,
        encoder: Encoder,
    ) -> Rows {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let mut work = Box::pin(async move {
            let outcome = AssertUnwindSafe(pump(stream, encoder, &sender)).catch_unwind();
            let error = match outcome.await {
                Ok(Ok(())) => return,
                Ok(Err(report)) => report,
                Err(_) => sqlstate::panicked(),
            };
            // Nobody waits for the error if the connection is gone.
            let _gone = sender.send(Err(error)).await;
        });
        let task = match place == Place::HereFirst && futures::poll!(&mut work).is_ready() {
            true => None,
            false => Some(sessions.spawn(work).abort_handle()),
        };
        Rows {
            chunks,
            task,
            rest: VecDeque::new(),
            sent: 0,
        }
    }

    /// Gives the next bytes, of at most `rows_max` rows; `None` at the end.
    pub(super) async fn next(&mut self, rows_max: u64) -> Result<Option<Bytes>, Report> {
        let mut chunk = match self.rest.pop_front() {
            Some(chunk) => chunk,
            None => match self.chunks.recv().await {
                Some(chunk) => chunk?,
                None => return Ok(None),
            },
        };
        let rows = chunk.row_ends.len() as u64;
        if rows <= rows_max {
            self.sent += rows;
            return Ok(Some(chunk.bytes));
        }
        let taken = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let end = taken
            .checked_sub(1)
            .and_then(|last| chunk.row_ends.get(last))
            .copied()
            .unwrap_or(0);
        let bytes = chunk.bytes.split_to((end as usize).min(chunk.bytes.len()));
        chunk.row_ends.drain(..taken);
        chunk
            .row_ends
            .iter_mut()
            .for_each(|row_end| *row_end -= end);
        self.rest.push_front(chunk);
        self.sent += rows_max;
        Ok(Some(bytes))
    }

    /// Tells whether rows are left, waiting for the next if need be.
    pub(super) async fn more(&mut self) -> Result<bool, Report> {
        if self.rest.is_empty() {
            match self.chunks.recv().await {
                Some(chunk) => self.rest.push_back(chunk?),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn pump(
    mut stream: SendableRecordBatchStream,
    encoder: Encoder,
    sender: &mpsc::Sender<Result<Chunk, Report>>,
) -> Result<(), Report> {
    while let Some(batch) = stream.next().await {
        let chunks = batch
            .and_then(|batch| encoder.encode(&batch).map_err(DataFusionError::from))
            .map_err(|error| sqlstate::report(&error.into()))?;
        for chunk in chunks {
            if sender.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
