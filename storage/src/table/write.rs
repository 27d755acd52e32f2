//! Writes rows of one table on one slice: buffers, sorts by the sort key, builds row groups and
//! makes them durable. Nothing written here is visible before the commit record names it.
//!
//! Memory peaks at the buffer and one sorted column: columns are gathered and encoded one by one.

use crate::error::{Error, Result};
use crate::layout::name;
use crate::row_group::{RowGroupIdentity, RowGroupRecord};
use crate::schema::{RowGroupId, SliceId, TableId, TableLayout};
use crate::store::Store;
use crate::table::buffered::Buffered;
use crate::table::order::{self, LastKey};
use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, SchemaRef};
use std::sync::Arc;

/// Rows of a row group at most: offsets in it stay far within 32 bits, and zone maps small.
const ROWS_MAX: usize = 4 * 1024 * 1024;

/// Text buffers are copied once a batch keeps this many times the bytes it shows.
const PINNED_TIMES_MAX: usize = 2;

/// Takes the rows of one slice for one statement. Dropped without [`SliceWriter::finish`] it removes
/// the files it wrote.
pub struct SliceWriter {
    store: Arc<Store>,
    table: TableId,
    slice: SliceId,
    layout: Arc<TableLayout>,
    schema: SchemaRef,
    buffer_bytes: usize,
    batches: Vec<RecordBatch>,
    buffered_bytes: usize,
    buffered_rows: usize,
    written: Vec<RowGroupRecord>,
    /// The key of the last row written, while all row groups so far follow each other.
    last: Option<LastKey>,
}

impl SliceWriter {
    /// Begins. Row groups are cut at `buffer_bytes` of arrow memory or 4 M rows.
    pub fn new(
        store: &Arc<Store>,
        table: TableId,
        slice: SliceId,
        layout: Arc<TableLayout>,
        buffer_bytes: usize,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            table,
            slice,
            schema: layout.arrow_schema(),
            layout,
            buffer_bytes,
            batches: Vec::new(),
            buffered_bytes: 0,
            buffered_rows: 0,
            written: Vec::new(),
            last: None,
        }
    }

    /// Takes a batch in table order with the layout's arrow types; writes a row group when the
    /// buffer is full. Checks NOT NULL.
    pub fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.ensure_fits(&batch)?;
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = (batch.num_rows() - at).min(ROWS_MAX - self.buffered_rows);
            self.buffer(&batch.slice(at, rows))?;
            at += rows;
            if self.buffered_rows >= ROWS_MAX || self.buffered_bytes >= self.buffer_bytes {
                self.write_row_group()?;
            }
        }
        Ok(())
    }

    /// Counts the rows taken so far.
    pub fn rows(&self) -> u64 {
        let written: u64 = self.written.iter().map(|record| record.rows).sum();
        written + self.buffered_rows as u64
    }

    /// Writes what is left, syncs files and directory, and names the row groups for the commit.
    /// Those that will not be committed after all belong in [`Store::discard`].
    pub fn finish(mut self) -> Result<Vec<RowGroupRecord>> {
        if self.buffered_rows > 0 {
            self.write_row_group()?;
        }
        if !self.written.is_empty() {
            self.store
                .io()
                .sync_dir(&name::table_dir(self.slice, self.table))?;
        }
        Ok(std::mem::take(&mut self.written))
    }

    fn ensure_fits(&self, batch: &RecordBatch) -> Result<()> {
        if batch.num_columns() != self.layout.columns.len() {
            let (found, expected) = (batch.num_columns(), self.layout.columns.len());
            let text = format!("a batch of {found} columns was written to a table of {expected}");
            return Err(Error::Internal(text));
        }
        for (column, values) in self.layout.columns.iter().zip(batch.columns()) {
            if *values.data_type() != column.ty.arrow() {
                let (name, found) = (&column.name, values.data_type());
                return Err(Error::Internal(format!(
                    "{found} was written to column \"{name}\""
                )));
            }
            if !column.nullable && values.null_count() > 0 {
                return Err(Error::NotNull {
                    column: column.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Keeps a batch, without text it does not show.
    fn buffer(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(compact).collect();
        self.buffered_bytes += columns.iter().map(shown_bytes).sum::<usize>();
        self.buffered_rows += batch.num_rows();
        self.batches
            .push(record_batch(&self.schema, columns, batch.num_rows())?);
        Ok(())
    }

    fn write_row_group(&mut self) -> Result<()> {
        let rows = self.buffered_rows;
        let batches = std::mem::take(&mut self.batches);
        (self.buffered_bytes, self.buffered_rows) = (0, 0);
        let key = &self.layout.sort_key;
        let mut buffered = Buffered::new(self.layout.columns.len(), batches);
        let order = buffered.sort(key)?;
        let last = order::follows(key, &order.ends, self.last.as_ref())?;
        let key_range = order::key_range(key, &self.layout, &order.ends)?;
        let in_order = last.is_some() && self.written.iter().all(|record| record.sorted);
        self.last = last;
        let id = RowGroupId(self.store.next_file_id());
        let identity = RowGroupIdentity {
            table: self.table,
            slice: self.slice,
            id,
        };
        let (table, slice, rows) = (self.table, self.slice, rows as u64);
        let mut column_of = |index| buffered.take_column(index, &order);
        let files = self.store.row_groups();
        let file_bytes = files.write_columns(&identity, &self.layout, rows, &mut column_of)?;
        let record = RowGroupRecord {
            table,
            slice,
            id,
            rows,
            file_bytes,
            sorted: in_order,
            key_range,
        };
        self.written.push(record);
        Ok(())
    }
}

impl Drop for SliceWriter {
    fn drop(&mut self) {
        self.store.discard(&self.written, &[]);
    }
}

fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// Copies text out of buffers that are much larger than what the array shows of them.
fn compact(column: &ArrayRef) -> ArrayRef {
    fn compact_views<T: ByteViewType>(views: &GenericByteViewArray<T>) -> Option<ArrayRef> {
        let pinned: usize = views
            .data_buffers()
            .iter()
            .map(|buffer| buffer.capacity())
            .sum();
        let wasteful = pinned > PINNED_TIMES_MAX * views.total_buffer_bytes_used() + 4_096;
        wasteful.then(|| Arc::new(views.gc()) as ArrayRef)
    }
    let compacted = match column.data_type() {
        DataType::Utf8View => compact_views::<StringViewType>(column.as_byte_view()),
        DataType::BinaryView => compact_views::<BinaryViewType>(column.as_byte_view()),
        _ => None,
    };
    compacted.unwrap_or_else(|| Arc::clone(column))
}

/// Counts the bytes of the rows an array shows; a slice of a large array counts only its part.
fn shown_bytes(column: &ArrayRef) -> usize {
    let text: usize = match column.data_type() {
        DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
        _ => 0,
    };
    let value = match column.data_type() {
        DataType::Utf8View | DataType::BinaryView => 16,
        other => other.primitive_width().unwrap_or(1),
    };
    text + column.len() * value
}

#[cfg(test)]
mod tests;
