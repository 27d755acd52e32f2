//! Scans row groups: prunes by zone map, tests on codes, decodes what survives.
//!
//! The core is the vector interface ([`VectorBatch`]); arrow batches are an adapter over it.

use crate::error::Result;
pub use crate::layout::row_group::ZONE_ROWS;
use crate::row_group::files::RowGroupFiles;
use crate::schema::TableLayout;
use crate::store::Store;
use crate::store::version::RowGroupEntry;
use crate::table::predicate::Conjunct;
use arrow_array::RecordBatch;
use std::ops::Range;
use std::sync::Arc;

mod filter;
pub mod selection;
mod sink;
mod test;
#[cfg(test)]
mod tests;
pub mod zones;

use sink::BatchSink;
use zones::{VectorBatch, ZoneScan};

/// The name of the hidden row id column: `row group ordinal << 32 | row offset`, `Int64`.
pub const ROW_ID: &str = "_rowid";

/// What a scan is asked for.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// Table column indexes to emit, in this order. May be empty: only row counts are emitted.
    pub projection: Vec<usize>,
    /// All must hold.
    pub conjuncts: Vec<Conjunct>,
    /// If set, a last column [`ROW_ID`] of `Int64` is emitted: `ordinal << 32 | row offset`, where
    /// `ordinal` is the one given to [`RowGroupScan::new`].
    pub row_ids: bool,
    /// Batches are filled up to this many rows.
    pub batch_rows: usize,
}

/// What a scan did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanCounters {
    /// Blocks a full scan of the projected and tested columns would read.
    pub blocks: u64,
    /// Of those, blocks not read because a zone map excluded all their rows, or no row survived.
    pub blocks_pruned: u64,
    /// Encoded bytes read, from cache or disk.
    pub bytes_read: u64,
    /// Of those, bytes that came from disk.
    pub bytes_from_disk: u64,
    /// Rows of the zones looked into.
    pub rows_scanned: u64,
    /// Rows emitted.
    pub rows_emitted: u64,
}

/// Scans a range of zones of one row group. Pull from a thread that may block on disk.
pub struct RowGroupScan {
    zones: ZoneScan,
    request: Arc<ScanRequest>,
    layout: Arc<TableLayout>,
    schema: arrow_schema::SchemaRef,
    /// A zone of which some rows did not fit the last batch, and how many did.
    pending: Option<(VectorBatch, usize)>,
}

impl RowGroupScan {
    /// Begins a scan of the zones in `zones` (see [`zone_count`]) of `group`. Columns missing from
    /// the row group (added later) read as null.
    pub fn new(
        store: &Arc<Store>,
        layout: &Arc<TableLayout>,
        group: &Arc<RowGroupEntry>,
        ordinal: u32,
        zones: Range<usize>,
        request: Arc<ScanRequest>,
    ) -> Result<Self> {
        Self::over(store.row_groups(), layout, group, ordinal, zones, request)
    }

    /// Begins the same scan straight from the files.
    pub fn over(
        files: &RowGroupFiles,
        layout: &Arc<TableLayout>,
        group: &Arc<RowGroupEntry>,
        ordinal: u32,
        zones: Range<usize>,
        request: Arc<ScanRequest>,
    ) -> Result<Self> {
        let layout = Arc::clone(layout);
        let zones = ZoneScan::new(files, &layout, group, ordinal, zones, &request)?;
        let schema = sink::batch_schema(&layout, &request);
        Ok(RowGroupScan {
            zones,
            request,
            layout,
            schema,
            pending: None,
        })
    }

    /// Replaces the extra conjuncts that arrived while running (join filters); they prune zones not
    /// yet read and test rows not yet emitted, but for those of a zone already begun.
    pub fn set_late_conjuncts(&mut self, conjuncts: Vec<Conjunct>) {
        self.zones.set_late_conjuncts(conjuncts);
    }

    /// Goes on with `zones` of the same row group, which follow those this scan was begun with; only at their end. Cheaper
    /// than another scan: what was learned and the blocks at hand stay.
    pub fn extend(&mut self, zones: Range<usize>) {
        self.zones.extend(zones);
    }

    /// Gives the next zone with surviving rows, without arrow; `None` at the end. Do not mix with
    /// [`RowGroupScan::next_batch`].
    pub fn next_vectors(&mut self) -> Result<Option<VectorBatch>> {
        self.zones.next_zone()
    }

    /// Gives the next batch of surviving rows; `None` at the end. Never an empty batch. Text is
    /// `Utf8View`, never a dictionary.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let room_max = self.request.batch_rows.max(1);
        let mut sink = BatchSink::new(&self.layout, &self.request, &self.schema);
        while sink.rows() < room_max {
            let (zone, taken) = match self.pending.take() {
                Some(pending) => pending,
                None => match self.zones.next_zone()? {
                    Some(zone) => (zone, 0),
                    None => break,
                },
            };
            let rows = (room_max - sink.rows()).min(zone.selection.count() - taken);
            sink.append(&zone, taken, rows);
            if taken + rows < zone.selection.count() {
                self.pending = Some((zone, taken + rows));
            }
        }
        self.zones.counters.rows_emitted += sink.rows() as u64;
        if sink.rows() == 0 {
            Ok(None)
        } else {
            sink.finish().map(Some)
        }
    }

    /// Tells what was done so far.
    pub fn counters(&self) -> &ScanCounters {
        &self.zones.counters
    }
}

/// Counts the zones of a row group of `rows` rows.
pub fn zone_count(rows: u64) -> usize {
    (rows as usize).div_ceil(ZONE_ROWS)
}
