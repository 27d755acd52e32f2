//! Writes rows of one table on one slice: buffers, sorts by the sort key, builds row groups and
//! makes them durable. Nothing written here is visible before the commit record names it.

use crate::error::Result;
use crate::row_group::RowGroupRecord;
use crate::schema::{SliceId, TableId, TableLayout};
use crate::store::Store;
use arrow_array::RecordBatch;
use std::sync::Arc;

/// Takes the rows of one slice for one statement.
pub struct SliceWriter {
    _todo: (),
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
        let _ = (store, table, slice, layout, buffer_bytes);
        todo!("H2")
    }

    /// Takes a batch in table order with the layout's arrow types; writes a row group when the
    /// buffer is full. Checks NOT NULL.
    pub fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let _ = batch;
        todo!("H2")
    }

    /// Writes what is left, syncs files and directory, and names the row groups for the commit.
    pub fn finish(self) -> Result<Vec<RowGroupRecord>> {
        todo!("H2")
    }
}
