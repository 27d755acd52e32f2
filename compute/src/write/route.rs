//! Sends the rows of a statement to the writers of their slices.
//!
//! A writer runs on a blocking thread and is fed through a bounded channel; it begins with the first row of
//! its slice, so a small insert makes one file. A writer whose channel ends without [`Order::Finish`] throws
//! its rows away: that is how an error, and a dropped statement, undo everything.

use super::{WriteTarget, Written};
use crate::distribution::{Distribution, slices_of_rows};
use crate::error::{Error, Result};
use crate::node::Node;
use arrow::array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, take_record_batch};
use arrow_schema::{DataType, SchemaRef};
use blueshift_storage::SliceId;
use blueshift_storage::row_group::RowGroupRecord;
use blueshift_storage::store::Store;
use blueshift_storage::table::write::SliceWriter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Rows that EVEN distribution gives to one slice before it turns to the next.
const EVEN_CHUNK_ROWS: u64 = 64 << 10;

/// Batches that may wait before a writer.
const CHANNEL_BATCHES: usize = 4;

/// Arrow memory all writers of a statement may hold together; a row group is cut at a slice's share.
const BUFFER_BYTES: usize = 512 << 20;

/// The least and the most of that for one slice.
const SLICE_BUFFER_BYTES: std::ops::RangeInclusive<usize> = (32 << 20)..=(256 << 20);

/// What a writer is told.
enum Order {
    Write(RecordBatch),
    Finish,
}

/// The writers of one statement, shared by the tasks that make its rows. Dropping it discards what they hold.
pub(crate) struct Router {
    store: Arc<Store>,
    compute: Handle,
    target: WriteTarget,
    schema: SchemaRef,
    writers: Mutex<Writers>,
    /// Rows taken so far, for EVEN.
    rows: AtomicU64,
    /// What all writers may hold.
    buffer_bytes: usize,
}

struct Writers {
    channels: Vec<Option<mpsc::Sender<Order>>>,
    /// Owns the writer threads; ends with their row groups.
    threads: JoinSet<Result<Durable>>,
}

/// Row groups that one writer made durable; discarded if they are dropped before they are taken.
struct Durable {
    store: Arc<Store>,
    row_groups: Vec<RowGroupRecord>,
}

impl Drop for Durable {
    fn drop(&mut self) {
        self.store.discard(&self.row_groups, &[]);
    }
}

impl Router {
    /// Makes a router; no writer runs yet.
    pub(crate) fn new(store: &Arc<Store>, compute: &Handle, target: &WriteTarget) -> Self {
        let channels = (0..target.slice_count.max(1)).map(|_| None).collect();
        Self {
            store: Arc::clone(store),
            compute: compute.clone(),
            schema: target.layout.arrow_schema(),
            target: target.clone(),
            writers: Mutex::new(Writers {
                channels,
                threads: JoinSet::new(),
            }),
            rows: AtomicU64::new(0),
            buffer_bytes: BUFFER_BYTES,
        }
    }

    /// Makes a router whose writers hold no more than a statement of the node may.
    pub(crate) fn on(node: &Node, target: &WriteTarget) -> Self {
        let resources = &node.resources;
        Self {
            buffer_bytes: resources.buffer_bytes(BUFFER_BYTES),
            ..Self::new(&node.store, &resources.compute, target)
        }
    }

    /// Takes a batch of whole rows in table order.
    pub(crate) async fn write(&self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let batch = self.conformed(batch)?;
        let before = self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        match self.target.distribution {
            Distribution::All => self.send(0, batch).await,
            Distribution::Even => {
                let count = u64::from(self.target.slice_count.max(1));
                let turn = u64::from(self.target.first_slice) + before / EVEN_CHUNK_ROWS;
                self.send((turn % count) as usize, batch).await
            }
            Distribution::Key(key) => self.write_by_key(key, batch).await,
        }
    }

    async fn write_by_key(&self, key: usize, batch: RecordBatch) -> Result<()> {
        let rows_by_slice = self.slices(column(&batch, key)?)?;
        // Rows that come from a co-located plan are all for one slice already.
        let only = rows_by_slice
            .iter()
            .position(|rows| rows.len() == batch.num_rows());
        if let Some(only) = only {
            return self.send(only, batch).await;
        }
        for (slice, rows) in rows_by_slice.into_iter().enumerate() {
            if !rows.is_empty() {
                self.send(slice, take_record_batch(&batch, &UInt32Array::from(rows))?)
                    .await?;
            }
        }
        Ok(())
    }

    /// Gives the rows of each slice, by the values of the distribution key.
    fn slices(&self, key: &ArrayRef) -> Result<Vec<Vec<u32>>> {
        let mut slices = Vec::with_capacity(key.len());
        slices_of_rows(key, self.target.slice_count, &mut slices)?;
        let count = self.target.slice_count as usize;
        // A slice has its share of the rows, more or less.
        let share = key.len() / count.max(1) + key.len() / 8;
        let mut rows_by_slice: Vec<_> = (0..count).map(|_| Vec::with_capacity(share)).collect();
        for (row, slice) in (0_u32..).zip(slices) {
            if let Some(rows) = rows_by_slice.get_mut(slice as usize) {
                rows.push(row);
            }
        }
        Ok(rows_by_slice)
    }

    /// Gives the distribution key, where rows must be told apart by it.
    pub(crate) fn key(&self) -> Option<usize> {
        match self.target.distribution {
            Distribution::Key(key) if self.target.slice_count > 1 => Some(key),
            _ => None,
        }
    }

    /// Gives the rows of each slice before there is a batch of them; `None` if `key` has not the table's type yet.
    pub(crate) fn rows_by_slice(&self, key: &ArrayRef) -> Result<Option<Vec<Vec<u32>>>> {
        let field = self.key().and_then(|index| self.schema.fields().get(index));
        match field {
            Some(field) if field.data_type() == key.data_type() => self.slices(key).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes a batch as [`Router::write`] does, of rows that [`Router::rows_by_slice`] gave for `slice`.
    pub(crate) async fn write_to(&self, slice: usize, batch: RecordBatch) -> Result<()> {
        self.rows
            .fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        self.send(slice, self.conformed(batch)?).await
    }

    /// Takes the only batch of a statement, and ends: no thread is needed for so few rows.
    pub(super) fn write_small(&self, batch: RecordBatch) -> Result<Written> {
        let rows = batch.num_rows() as u64;
        let batch = self.conformed(batch)?;
        let count = self.target.slice_count.max(1);
        let batches = match self.target.distribution {
            Distribution::All => vec![(0, batch)],
            Distribution::Even => vec![((self.target.first_slice % count) as usize, batch)],
            Distribution::Key(key) => {
                let slices = self.slices(column(&batch, key)?)?.into_iter().enumerate();
                let own = slices.filter(|(_, rows)| !rows.is_empty());
                own.map(|(slice, rows)| match rows.len() == batch.num_rows() {
                    true => Ok((slice, batch.clone())),
                    false => Ok((slice, take_record_batch(&batch, &UInt32Array::from(rows))?)),
                })
                .collect::<Result<_>>()?
            }
        };
        let mut row_groups = Vec::with_capacity(batches.len());
        for (slice, batch) in batches {
            let mut writer = self.writer(slice);
            writer.write(batch)?;
            row_groups.extend(writer.finish()?);
        }
        Ok(Written { row_groups, rows })
    }

    /// Makes the writer of a slice.
    fn writer(&self, slice: usize) -> SliceWriter {
        let share = self.buffer_bytes / self.target.slice_count.max(1) as usize;
        let least = (*SLICE_BUFFER_BYTES.start()).min(self.buffer_bytes);
        let buffer_bytes = share.clamp(least, *SLICE_BUFFER_BYTES.end());
        let writer = SliceWriter::new(
            &self.store,
            self.target.table,
            SliceId(u32::try_from(slice).unwrap_or(u32::MAX)),
            Arc::clone(&self.target.layout),
            buffer_bytes,
        );
        match self.target.keeps_small {
            true => writer.keep_small(),
            false => writer,
        }
    }

    async fn send(&self, slice: usize, batch: RecordBatch) -> Result<()> {
        let channel = self.channel(slice).await?;
        if channel.send(Order::Write(batch)).await.is_ok() {
            return Ok(());
        }
        // The writer has ended early, so it has an error to tell.
        let mut writers = self.writers.lock().await;
        while let Some(ended) = writers.threads.join_next().await {
            joined(ended)?;
        }
        Err(Error::Internal(
            "a slice writer ended before its rows".to_owned(),
        ))
    }

    /// Gives the channel of a slice's writer, which begins if it has not.
    async fn channel(&self, slice: usize) -> Result<mpsc::Sender<Order>> {
        let mut writers = self.writers.lock().await;
        let Writers { channels, threads } = &mut *writers;
        let Some(place) = channels.get_mut(slice) else {
            return Err(Error::Internal(format!("there is no slice {slice}")));
        };
        if let Some(channel) = place {
            return Ok(channel.clone());
        }
        let (sender, mut receiver) = mpsc::channel(CHANNEL_BATCHES);
        let mut writer = self.writer(slice);
        let store = Arc::clone(&self.store);
        threads.spawn_blocking_on(
            move || {
                while let Some(order) = receiver.blocking_recv() {
                    match order {
                        Order::Write(batch) => writer.write(batch)?,
                        Order::Finish => {
                            let row_groups = writer.finish()?;
                            return Ok(Durable { store, row_groups });
                        }
                    }
                }
                Err(Error::Canceled)
            },
            &self.compute,
        );
        *place = Some(sender.clone());
        Ok(sender)
    }

    /// Ends all writers and gives what they made durable. On an error of one, and if this is dropped, what the others
    /// made is discarded.
    pub(crate) async fn finish(&self) -> Result<Written> {
        let mut writers = self.writers.lock().await;
        for channel in writers.channels.iter_mut().filter_map(Option::take) {
            // A writer that has ended tells its error below.
            let _ended = channel.send(Order::Finish).await;
        }
        let (mut ended_well, mut failed) = (Vec::new(), None);
        while let Some(ended) = writers.threads.join_next().await {
            match joined(ended) {
                Ok(durable) => ended_well.push(durable),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let mut row_groups: Vec<RowGroupRecord> = ended_well
            .iter_mut()
            .flat_map(|durable| std::mem::take(&mut durable.row_groups))
            .collect();
        row_groups.sort_by_key(|record| (record.slice, record.id));
        Ok(Written {
            row_groups,
            rows: self.rows.load(Ordering::Relaxed),
        })
    }

    /// Gives a batch the arrow types of the table and fills identity columns.
    fn conformed(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let (_, mut columns, _) = batch.into_parts();
        if columns.len() != self.schema.fields().len() {
            return Err(Error::Internal(format!(
                "a row of {} columns was given for a table of {}",
                columns.len(),
                self.schema.fields().len()
            )));
        }
        for (index, counter) in &self.target.identities {
            let field = self.schema.fields().get(*index);
            if let Some((field, column)) = field.zip(columns.get_mut(*index)) {
                *column = counter.column(rows, field.data_type())?;
            }
        }
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                // A value that does not fit is an error, never null.
                let options = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                *column = cast_with_options(column, field.data_type(), &options)?;
            }
            if !field.is_nullable() && column.null_count() > 0 {
                let column = field.name().clone();
                return Err(blueshift_storage::Error::NotNull { column }.into());
            }
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

impl super::IdentityCounter {
    /// Takes the next `rows` numbers.
    fn column(&self, rows: usize, ty: &DataType) -> Result<ArrayRef> {
        let overflow = || {
            Error::Engine(datafusion::error::DataFusionError::Execution(
                "identity column has no value left".to_owned(),
            ))
        };
        let count = i64::try_from(rows).map_err(|_| overflow())?;
        let span = self.step.checked_mul(count).ok_or_else(overflow)?;
        let first = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                next.checked_add(span)
            })
            .map_err(|_| overflow())?;
        let values = (0..count).map(|row| first + row * self.step);
        Ok(match ty {
            DataType::Int32 => {
                let narrow = values.map(|value| i32::try_from(value).map_err(|_| overflow()));
                Arc::new(Int32Array::from(narrow.collect::<Result<Vec<_>>>()?))
            }
            _ => Arc::new(Int64Array::from_iter_values(values)),
        })
    }
}

/// Unwraps what a thread or task of ours ended with.
pub(crate) fn joined<T>(
    ended: std::result::Result<Result<T>, tokio::task::JoinError>,
) -> Result<T> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Err(Error::Canceled),
        Err(error) => match error.try_into_panic() {
            // A panic ends the statement; its boundary tells the client.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(Error::Internal(error.to_string())),
        },
    }
}

/// Gives a column of a batch that the plan promised.
pub(super) fn column(batch: &RecordBatch, index: usize) -> Result<&ArrayRef> {
    let missing = || Error::Internal(format!("a batch has no column {index}"));
    batch.columns().get(index).ok_or_else(missing)
}
