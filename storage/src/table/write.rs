//! Writes rows of one table on one slice: buffers, sorts by the sort key, builds row groups and
//! makes them durable. Nothing written here is visible before the commit record names it.
//!
//! Memory peaks at the buffer and one sorted column: columns are sorted and encoded one by one.

use crate::encoding::choose::Precedents;
use crate::error::{Error, Result};
use crate::layout::name;
use crate::row_group::resident::ResidentRows;
use crate::row_group::{RowGroupIdentity, RowGroupRecord};
use crate::schema::{RowGroupId, SliceId, TableId, TableLayout};
use crate::store::Store;
use crate::table::buffered::Buffered;
use crate::table::order::{self, LastKey};
use arrow_array::{Array, RecordBatch};
use std::sync::Arc;

/// Rows of a row group at most: offsets in it stay far within 32 bits, and zone maps small.
const ROWS_MAX: usize = 4 * 1024 * 1024;

/// Rows from which on a writer makes room for a whole row group: more are likely to come.
const MANY_ROWS: usize = 256 << 10;

/// Bytes of the rows of one slice that may ride in the commit record.
const SMALL_BYTES: usize = 256 << 10;

/// Takes the rows of one slice for one statement. Dropped without [`SliceWriter::finish`] it removes
/// the files it wrote.
pub struct SliceWriter {
    store: Arc<Store>,
    table: TableId,
    slice: SliceId,
    layout: Arc<TableLayout>,
    buffer_bytes: usize,
    /// Rows of up to so many bytes in all get no file.
    resident_bytes_max: usize,
    buffered: Buffered,
    precedents: Precedents,
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
            buffered: Buffered::new(&layout),
            layout,
            buffer_bytes,
            resident_bytes_max: 0,
            precedents: Precedents::default(),
            written: Vec::new(),
            last: None,
        }
    }

    /// Lets rows that are few ride in the commit record: they are durable with the commit, and cost no
    /// file.
    pub fn keep_small(mut self) -> Self {
        self.resident_bytes_max = SMALL_BYTES;
        self
    }

    /// Takes a batch in table order with the layout's arrow types; writes a row group when the
    /// buffer is full. Checks NOT NULL.
    pub fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.ensure_fits(&batch)?;
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = (batch.num_rows() - at).min(ROWS_MAX - self.buffered.rows());
            let rows_before = self.buffered.rows();
            self.buffered.extend(&batch.slice(at, rows));
            at += rows;
            if rows_before < MANY_ROWS && self.buffered.rows() >= MANY_ROWS {
                self.make_room();
            }
            if self.buffered.rows() >= ROWS_MAX || self.buffered.bytes() >= self.buffer_bytes {
                self.write_row_group()?;
            }
        }
        Ok(())
    }

    /// Makes room for the rows of a whole row group, as wide as those so far.
    fn make_room(&mut self) {
        let (rows, bytes) = (self.buffered.rows(), self.buffered.bytes().max(1));
        // A sixteenth more, as the rows to come may be narrower.
        let most = self.buffer_bytes / 16 * 17;
        let expected = rows as u128 * most as u128 / bytes as u128;
        let expected = usize::try_from(expected).unwrap_or(ROWS_MAX);
        self.buffered.make_room(expected.min(ROWS_MAX));
    }

    /// Counts the rows taken so far.
    pub fn rows(&self) -> u64 {
        let written: u64 = self.written.iter().map(|record| record.rows).sum();
        written + self.buffered.rows() as u64
    }

    /// Writes what is left, syncs files and directory, and names the row groups for the commit.
    /// Those that will not be committed after all belong in [`Store::discard`].
    pub fn finish(mut self) -> Result<Vec<RowGroupRecord>> {
        let is_small = self.written.is_empty() && self.buffered.bytes() <= self.resident_bytes_max;
        if self.buffered.rows() > 0 {
            match is_small {
                true => return Ok(vec![self.resident()?]),
                false => self.write_row_group()?,
            }
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

    /// Gives the buffered rows as they ride in the commit record.
    fn resident(&mut self) -> Result<RowGroupRecord> {
        let (rows, bytes) = (self.buffered.rows(), self.buffered.bytes());
        let key = &self.layout.sort_key;
        let order = self.buffered.sort(key)?;
        let is_in_order = order::follows(key, &order.ends, None)?.is_some();
        let key_range = order::key_range(key, &self.layout, &order.ends)?;
        let columns = 0..self.layout.columns.len();
        let columns = columns.map(|index| self.buffered.take_column(index, &order));
        let columns = columns.collect::<Result<_>>()?;
        self.buffered.clear();
        Ok(RowGroupRecord {
            table: self.table,
            slice: self.slice,
            id: RowGroupId(self.store.next_file_id()),
            rows: rows as u64,
            file_bytes: bytes as u64,
            sorted: is_in_order,
            key_range,
            mixed: false,
            resident: Some(ResidentRows::new(&self.layout, columns, rows)?),
            extends: None,
        })
    }

    fn write_row_group(&mut self) -> Result<()> {
        let rows = self.buffered.rows();
        let key = &self.layout.sort_key;
        let order = self.buffered.sort(key)?;
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
        let mut column_of = |index| self.buffered.take_column(index, &order);
        let files = self.store.row_groups();
        let (layout, precedents) = (&self.layout, &mut self.precedents);
        let file_bytes =
            files.write_columns(&identity, layout, rows, precedents, &mut column_of)?;
        self.buffered.clear();
        let record = RowGroupRecord {
            table,
            slice,
            id,
            rows,
            file_bytes,
            sorted: in_order,
            key_range,
            mixed: false,
            resident: None,
            extends: None,
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

#[cfg(test)]
mod tests;
