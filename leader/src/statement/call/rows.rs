//! Rows of a query, one at a time, for loops and cursors of procedures.

use super::value_as;
use crate::error::sqlstate::told;
use crate::error::{Error, Result};
use crate::statement::answer::OutputColumn;
use arrow::array::RecordBatch;
use blueshift_sql::SqlState;
use blueshift_sql::procedural::{Field, Row, Rows, Work};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The rows of a stream from where it stands.
pub(super) struct StreamRows {
    columns: Vec<OutputColumn>,
    stream: SendableRecordBatchStream,
    batch: Option<RecordBatch>,
    next_row: usize,
    /// Counts the transactions that ended: rows end with theirs.
    epoch: Arc<AtomicU64>,
    born: u64,
}

impl StreamRows {
    pub(super) fn new(
        columns: Vec<OutputColumn>,
        stream: SendableRecordBatchStream,
        epoch: Arc<AtomicU64>,
    ) -> Self {
        let born = epoch.load(Ordering::Relaxed);
        Self {
            columns,
            stream,
            batch: None,
            next_row: 0,
            epoch,
            born,
        }
    }

    /// Gives the next row; `None` at the end.
    pub(super) async fn read(&mut self) -> Result<Option<Row>> {
        if self.epoch.load(Ordering::Relaxed) != self.born {
            return Err(blueshift_sql::Error::new(
                SqlState::INVALID_CURSOR_NAME,
                "cursor \"<unnamed portal>\" does not exist",
            )
            .with_detail("The transaction ended inside the loop over its rows.")
            .with_hint("Collect the rows in a temporary table first, or commit after the loop.")
            .into());
        }
        loop {
            if let Some(batch) = &self.batch
                && self.next_row < batch.num_rows()
            {
                let row = row(&self.columns, batch, self.next_row)?;
                self.next_row += 1;
                return Ok(Some(row));
            }
            self.next_row = 0;
            self.batch = match self.stream.next().await {
                Some(batch) => Some(batch?),
                None => return Ok(None),
            };
        }
    }
}

impl Rows for StreamRows {
    fn next(&mut self) -> Work<'_, Option<Row>> {
        Box::pin(async move { self.read().await.map_err(told) })
    }
}

/// Takes a row out of a batch.
pub(super) fn row(columns: &[OutputColumn], batch: &RecordBatch, index: usize) -> Result<Row> {
    let fields = columns.iter().zip(batch.columns());
    let fields = fields.map(|(column, array)| {
        let scalar = ScalarValue::try_from_array(array, index).map_err(Error::from)?;
        Ok(Field {
            name: column.name.clone(),
            value: value_as(scalar, column.ty)?,
        })
    });
    fields.collect()
}
