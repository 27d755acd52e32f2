//! Scans row groups: prunes by zone map, tests on codes, decodes what survives.
//!
//! The core is the vector interface ([`VectorBatch`]); arrow batches are an adapter over it.

use crate::error::Result;
use crate::schema::TableLayout;
use crate::store::Store;
use crate::table::predicate::Conjunct;
use crate::table::version::RowGroupEntry;
use arrow_array::RecordBatch;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a zone: the step of a scan, and the finest grain of pruning.
pub const ZONE_ROWS: usize = 8_192;

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
    _todo: (),
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
        let _ = (store, layout, group, ordinal, zones, request);
        todo!("H1")
    }

    /// Replaces the extra conjuncts that arrived while running (join filters); they prune zones not
    /// yet read and test rows not yet emitted.
    pub fn set_late_conjuncts(&mut self, conjuncts: Vec<Conjunct>) {
        let _ = conjuncts;
        todo!("H1")
    }

    /// Gives the next batch of surviving rows; `None` at the end. Never an empty batch. Text is
    /// `Utf8View`, never a dictionary.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        todo!("H1")
    }

    /// Tells what was done so far.
    pub fn counters(&self) -> &ScanCounters {
        todo!("H1")
    }
}

/// Counts the zones of a row group of `rows` rows.
pub fn zone_count(rows: u64) -> usize {
    (rows as usize).div_ceil(ZONE_ROWS)
}
