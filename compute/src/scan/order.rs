//! The order of a slice's rows: the sorted region is one run, and each row group of the unsorted region another.
//!
//! A scan declares the sort key where every slice is one run. Where there are a few, it merges them, but only for an
//! operator that asks: reading them one after the other is cheaper.

use super::StoredTable;
use super::stream::{Piece, pieces_of_slice};
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::{ColumnType, SliceId, SortKey};

/// Runs of a slice that are merged at most: each holds a batch in memory while the others are read.
const RUNS_MAX: usize = 32;

/// Gives the columns that rows can come sorted by: the sort key, up to where storage and engine may differ.
pub(super) fn key_columns(table: &StoredTable) -> Vec<usize> {
    let layout = &table.version.layout;
    let SortKey::Compound(columns) = &layout.sort_key else {
        return Vec::new();
    };
    let whole_order = |column: &usize| {
        let ty = layout.columns.get(*column).map(|column| column.ty);
        // Storage and engine may order NaN differently.
        !matches!(ty, None | Some(ColumnType::Float32 | ColumnType::Float64))
    };
    columns.iter().copied().take_while(whole_order).collect()
}

/// Counts the runs of the slice that has most; `None` if some rows are in no order, or runs are too many to merge.
pub(super) fn run_count(table: &StoredTable) -> Option<usize> {
    let slices = (0..table.slice_count.max(1)).map(SliceId);
    let mut most = 0;
    for slice in slices {
        most = most.max(runs_of_slice(&table.version, slice)?.len());
    }
    Some(most)
}

/// Gives the row groups of a slice, each whole, run by run. `None` as for [`run_count`].
pub(super) fn runs_of_slice(version: &TableVersion, slice: SliceId) -> Option<Vec<Vec<Piece>>> {
    let mut runs: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces_of_slice(version, slice, None) {
        if piece.group.record.mixed {
            return None;
        }
        let count = runs.len();
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| follows(last, &piece)) => run.push(piece),
            _ if count == RUNS_MAX => return None,
            _ => runs.push(vec![piece]),
        }
    }
    Some(runs)
}

/// Tells whether all rows of `next` come after those of `last`, as in the sorted region they do.
fn follows(last: &Piece, next: &Piece) -> bool {
    let (last, next) = (&last.group.record, &next.group.record);
    let apart = match (last.key_range, next.key_range) {
        // Equal leading keys leave the order to the other columns.
        (Some(last), Some(next)) => last.last < next.first,
        _ => false,
    };
    (last.sorted && next.sorted) || apart
}
