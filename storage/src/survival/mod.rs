//! What storage survives, proven on a simulated disk: power that ends at any moment, and flipped bits.

mod flip;
mod power;

use crate::error::Result;
use crate::io::BlockStore;
use crate::schema::{
    ColumnLayout, ColumnType, EncodingName, RowGroupId, SliceId, SortKey, TableId, TableLayout,
};
use crate::store::version::RowGroupEntry;
use crate::store::{Commit, Store, StoreOptions};
use crate::table::delete::{RowsToDelete, write_mask_files, write_masks};
use crate::table::scan::{RowGroupScan, ScanRequest, zone_count};
use crate::table::write::SliceWriter;
use arrow_array::RecordBatch;
use roaring::RoaringBitmap;
use std::path::PathBuf;
use std::sync::Arc;

/// Slices of the directories here.
const SLICES: u32 = 2;

/// Tells whether the long suites were asked for.
pub(crate) fn full() -> bool {
    std::env::var("BLUESHIFT_TEST_FULL").is_ok_and(|value| value == "1")
}

fn open(io: Arc<dyn BlockStore>) -> Result<Arc<Store>> {
    let options = StoreOptions {
        dir: PathBuf::from("test"),
        cache_bytes: 1 << 20,
        slice_count: SLICES,
        sync: true,
    };
    Store::open_on(io, options, PathBuf::new())
}

fn column(id: u32, name: &str, ty: ColumnType, encoding: EncodingName) -> ColumnLayout {
    ColumnLayout {
        id,
        name: name.to_owned(),
        ty,
        encoding,
        nullable: true,
    }
}

fn create_table(store: &Store, table: TableId, columns: Vec<ColumnLayout>) -> Result<()> {
    let sort_key = SortKey::Compound(vec![0]);
    let layout = TableLayout { columns, sort_key };
    let layouts = vec![(table, layout)];
    let commit = Commit {
        layouts,
        ..Commit::default()
    };
    store.commit(commit).map(drop)
}

/// Writes rows to their slices and commits them together.
fn insert(store: &Arc<Store>, table: TableId, batches: Vec<(SliceId, RecordBatch)>) -> Result<()> {
    let mut added = Vec::new();
    let mut write = || {
        for (slice, batch) in &batches {
            let layout = Arc::clone(&store.table(table)?.layout);
            let mut writer = SliceWriter::new(store, table, *slice, layout, 1 << 20);
            writer.write(batch.clone())?;
            added.extend(writer.finish()?);
        }
        Ok(())
    };
    let written = write();
    let commit = Commit {
        added: added.clone(),
        ..Commit::default()
    };
    let committed = written.and_then(|()| store.commit(commit));
    if committed.is_err() {
        store.discard(&added, &[]);
    }
    committed.map(drop)
}

/// Reads columns of a row group, batch by batch.
fn read(
    store: &Arc<Store>,
    layout: &Arc<TableLayout>,
    group: &Arc<RowGroupEntry>,
    projection: Vec<usize>,
    row_ids: bool,
) -> Result<Vec<RecordBatch>> {
    let request = Arc::new(ScanRequest {
        projection,
        conjuncts: vec![],
        row_ids,
        batch_rows: 8_192,
    });
    let zones = 0..zone_count(group.record.rows);
    let mut scan = RowGroupScan::new(store, layout, group, 0, zones, request)?;
    let mut batches = Vec::new();
    while let Some(batch) = scan.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

/// Deletes rows by their places, and commits; with files even for few rows if asked.
fn delete(
    store: &Arc<Store>,
    table: TableId,
    rows: Vec<(RowGroupId, RoaringBitmap)>,
    as_files: bool,
) -> Result<()> {
    let view = store.read_view();
    let rows = rows.into_iter().collect::<RowsToDelete>();
    let write = match as_files {
        true => write_mask_files,
        false => write_masks,
    };
    let (masks, _) = write(store, view.table(table)?, rows)?;
    let commit = Commit {
        masks: masks.clone(),
        base: view.version,
        ..Commit::default()
    };
    let committed = store.commit(commit);
    if committed.is_err() {
        store.discard(&[], &masks);
    }
    committed.map(drop)
}
