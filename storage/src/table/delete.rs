//! Marks rows deleted: makes the next mask of each row group durable.

use crate::error::Result;
use crate::schema::RowGroupId;
use crate::store::{DeleteMaskRecord, Store};
use crate::table::version::TableVersion;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows to delete: offsets within each row group.
pub type RowsToDelete = HashMap<RowGroupId, roaring::RoaringBitmap>;

/// Unites `rows` with the masks `version` sees and writes the results, durable but not visible.
/// Also counts the rows that were not deleted before.
pub fn write_masks(
    store: &Arc<Store>,
    version: &TableVersion,
    rows: RowsToDelete,
) -> Result<(Vec<DeleteMaskRecord>, u64)> {
    let _ = (store, version, rows);
    todo!("H2")
}
