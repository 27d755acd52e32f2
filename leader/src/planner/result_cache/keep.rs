//! Keeps the rows of a query on their way to the client, if they are few.

use super::{Question, RESULT_BYTES_MAX, ResultCache};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use blueshift_storage::store::Store;
use datafusion::error::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{Stream, StreamExt};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What the batches of an answer may hold on to until it is complete: a few short rows may lie in large buffers.
const HELD_BYTES_MAX: usize = 16 * RESULT_BYTES_MAX;

/// Where an answer goes when its last row has gone to the client.
pub struct Keep {
    /// The cache.
    pub cache: Arc<ResultCache>,
    /// The data it was made of.
    pub store: Arc<Store>,
    /// What was asked.
    pub question: Question,
    /// The columns of the query, with their SQL types.
    pub columns: SchemaRef,
    /// The query that computes it.
    pub query: i64,
}

impl Keep {
    /// Gives the rows as they come, and keeps a copy if all of them do and are small.
    pub fn from(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        Box::pin(Keeping {
            rows,
            held: Vec::new(),
            held_bytes: 0,
            least_bytes: 0,
            keep: Some(self),
        })
    }

    fn put(self, schema: &SchemaRef, held: &[RecordBatch]) {
        // A commit that came while the rows were made: nobody would ask for these any more.
        if !self.question.is_current(&self.store) {
            return;
        }
        match compact(schema, held) {
            Ok(rows) => self
                .cache
                .put(self.question, self.columns, rows, self.query),
            Err(error) => tracing::debug!(%error, "a result could not be kept"),
        }
    }
}

struct Keeping {
    rows: SendableRecordBatchStream,
    held: Vec<RecordBatch>,
    /// Bytes of the buffers that they hold on to, shared ones several times.
    held_bytes: usize,
    /// Bytes that their rows take at least.
    least_bytes: usize,
    /// `None` once the answer is too large, has failed or is kept.
    keep: Option<Keep>,
}

impl Keeping {
    fn hold(&mut self, batch: &RecordBatch) {
        self.held_bytes += batch.get_array_memory_size();
        let widths = batch.columns().iter().map(width);
        self.least_bytes += widths.sum::<usize>() * batch.num_rows();
        match self.held_bytes <= HELD_BYTES_MAX && self.least_bytes <= RESULT_BYTES_MAX {
            true => self.held.push(batch.clone()),
            false => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        self.keep = None;
        self.held = Vec::new();
    }
}

impl Stream for Keeping {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.rows.poll_next_unpin(cx));
        match &next {
            Some(Ok(batch)) if self.keep.is_some() => self.hold(batch),
            Some(Ok(_)) => {}
            Some(Err(_)) => self.give_up(),
            None => {
                if let Some(keep) = self.keep.take() {
                    keep.put(&self.rows.schema(), &std::mem::take(&mut self.held));
                }
            }
        }
        Poll::Ready(next)
    }
}

impl RecordBatchStream for Keeping {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

/// Gives the bytes that a value of a column takes at least.
fn width(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8View | DataType::BinaryView => 16,
        other => other.primitive_width().unwrap_or(0),
    }
}

/// Puts the rows together in buffers that hold nothing else.
fn compact(
    schema: &SchemaRef,
    held: &[RecordBatch],
) -> std::result::Result<RecordBatch, ArrowError> {
    let all = concat_batches(schema, held)?;
    let rows = u32::try_from(all.num_rows())
        .map_err(|_| ArrowError::InvalidArgumentError("too many rows".to_owned()))?;
    let rows = UInt32Array::from_iter_values(0..rows);
    let columns = all.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Ok(Arc::new(column.as_string_view().gc()) as ArrayRef),
        DataType::BinaryView => Ok(Arc::new(column.as_binary_view().gc()) as ArrayRef),
        _ => take(column, &rows, None),
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(all.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}
