//! Small inserts: rows ride in the log, grow, are deleted from, get files, and outlive every stop.

use crate::error::{Error, Result};
use crate::io::{BlockStore, Memory};
use crate::layout::name;
use crate::row_group::{RESIDENT_ROWS_MAX, RowGroupRecord};
use crate::schema::{SliceId, TableId};
use crate::store::rewrite::RewriteOrder;
use crate::store::tests::{SLICE, TABLE, create_table, delete, open, stop_everywhere};
use crate::store::version::RowGroupEntry;
use crate::store::{Commit, ReadView, Store};
use crate::table::merge::{MergeOptions, MergePlan, MergeProgress, merge};
use crate::table::scan::{RowGroupScan, ScanRequest, zone_count};
use crate::table::write::SliceWriter;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use std::ops::Range;
use std::sync::Arc;

fn small(store: &Arc<Store>, slice: SliceId, values: Range<i64>) -> Result<RowGroupRecord> {
    let layout = Arc::clone(&store.table(TABLE)?.layout);
    let column = Int64Array::from_iter_values(values);
    let batch = RecordBatch::try_new(layout.arrow_schema(), vec![Arc::new(column)])?;
    let mut writer = SliceWriter::new(store, TABLE, slice, layout, 1 << 20).keep_small();
    writer.write(batch)?;
    let mut records = writer.finish()?;
    records.pop().ok_or(Error::Canceled)
}

fn insert(store: &Arc<Store>, values: Range<i64>) -> Result<()> {
    let added = vec![small(store, SLICE, values)?];
    let commit = Commit {
        added,
        ..Commit::default()
    };
    store.commit(commit).map(drop)
}

/// The values a reader of `view` sees in one row group.
fn values_of(store: &Arc<Store>, view: &ReadView, group: &Arc<RowGroupEntry>) -> Result<Vec<i64>> {
    let request = Arc::new(ScanRequest {
        projection: vec![0],
        conjuncts: Vec::new(),
        row_ids: false,
        batch_rows: 1_000,
    });
    let layout = &view.table(group.record.table)?.layout;
    let zones = 0..zone_count(group.record.rows);
    let mut scan = RowGroupScan::new(store, layout, group, 0, zones, request)?;
    let mut values = Vec::new();
    while let Some(batch) = scan.next_batch()? {
        values.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
    }
    Ok(values)
}

fn values(store: &Arc<Store>, view: &ReadView) -> Result<Vec<i64>> {
    let mut values = Vec::new();
    for group in view.table(TABLE)?.row_groups.iter() {
        values.extend(values_of(store, view, group)?);
    }
    values.sort_unstable();
    Ok(values)
}

/// The version, and the rows of all tables.
fn seen(store: &Arc<Store>) -> String {
    let view = store.read_view();
    let rows = values(store, &view).ok();
    let mut tables: Vec<u64> = view.tables.keys().map(|id| id.0).collect();
    tables.sort_unstable();
    format!("{} {tables:?} {rows:?}", view.version.0)
}

fn only_group(store: &Store) -> Arc<RowGroupEntry> {
    let table = store.table(TABLE).unwrap();
    assert_eq!(table.row_groups.len(), 1);
    Arc::clone(&table.row_groups[0])
}

fn has_no_row_group_file(io: &Memory) -> bool {
    let is_row_group = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "rg");
    !io.files().iter().any(is_row_group)
}

#[test]
fn small_inserts_make_one_row_group_without_a_file() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    for value in 0..300 {
        insert(&store, value..value + 1).unwrap();
    }
    let group = only_group(&store);
    assert!(group.record.sorted, "each followed the one before");
    assert_eq!(
        group
            .record
            .key_range
            .map(|range| (range.first, range.last)),
        Some((0, 299))
    );
    let old = store.read_view();
    insert(&store, 5..7).unwrap();
    let table = store.table(TABLE).unwrap();
    let sorted: Vec<bool> = table
        .row_groups
        .iter()
        .map(|group| group.record.sorted)
        .collect();
    assert_eq!(sorted, [true, false], "these did not follow");
    insert(&store, 3..4).unwrap();
    assert!(store.table(TABLE).unwrap().row_groups[1].record.mixed);
    assert_eq!(values(&store, &old).unwrap(), Vec::from_iter(0..300));
    assert!(has_no_row_group_file(&io));
    let before = seen(&store);
    drop((old, group, table, store));
    io.lose_power();
    let store = open(io.clone()).unwrap();
    assert_eq!(seen(&store), before);
    store.fold(None).unwrap();
    let view = store.read_view();
    assert!(
        view.table(TABLE)
            .unwrap()
            .row_groups
            .iter()
            .all(|group| group.record.resident.is_none())
    );
    assert_eq!(values(&store, &view).unwrap().len(), 303);
    let statistics = view
        .table(TABLE)
        .unwrap()
        .column_statistics(&store, 0)
        .unwrap();
    assert_eq!(statistics.rows, 303);
}

#[test]
fn deletes_hold_while_rows_grow_and_get_a_file() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    insert(&store, 0..10).unwrap();
    let old = store.read_view();
    let id = only_group(&store).record.id;
    delete(&store, &old, id, &[1, 2]).unwrap();
    insert(&store, 10..20).unwrap();
    // Planned before the growth and the file, and committed after both.
    let planned = store.read_view();
    insert(&store, 20..30).unwrap();
    store.fold(Some(TABLE)).unwrap();
    delete(&store, &planned, id, &[15]).unwrap();
    let expected: Vec<i64> = (0..30)
        .filter(|value| ![1, 2, 15].contains(value))
        .collect();
    assert_eq!(values(&store, &store.read_view()).unwrap(), expected);
    assert_eq!(values(&store, &old).unwrap(), Vec::from_iter(0..10));
    assert_eq!(store.table(TABLE).unwrap().row_count(), 27);
    insert(&store, 30..31).unwrap();
    assert_eq!(
        store.table(TABLE).unwrap().row_groups.len(),
        2,
        "a file does not grow"
    );
    drop((old, planned));
    let before = seen(&store);
    drop(store);
    assert_eq!(seen(&open(io).unwrap()), before);
}

#[test]
fn a_transaction_deletes_from_its_own_small_insert() {
    let store = open(Arc::new(Memory::default())).unwrap();
    create_table(&store, TABLE).unwrap();
    insert(&store, 0..3).unwrap();
    let base = store.read_view();
    let record = small(&store, SLICE, 10..13).unwrap();
    let mut own = Commit {
        added: vec![record.clone()],
        base: base.version,
        ..Commit::default()
    };
    let mine = base.with(&store, &own).unwrap();
    assert_eq!(values(&store, &mine).unwrap(), [0, 1, 2, 10, 11, 12]);
    let rows = [(record.id, roaring::RoaringBitmap::from_iter([0_u32]))].into();
    let version = mine.table(TABLE).unwrap();
    own.masks = crate::table::delete::write_masks(&store, version, rows)
        .unwrap()
        .0;
    // Others grow what the transaction saw meanwhile.
    insert(&store, 3..5).unwrap();
    store.commit(own).unwrap();
    let found = values(&store, &store.read_view()).unwrap();
    assert_eq!(found, [0, 1, 2, 3, 4, 11, 12]);
}

/// Deletes rows by their places in a row group, as DELETE does.
fn mask(store: &Arc<Store>, group: &RowGroupEntry, rows: Range<u32>) {
    let rows = [(
        group.record.id,
        roaring::RoaringBitmap::from_iter(rows.step_by(2)),
    )]
    .into();
    let view = store.read_view();
    let masks = crate::table::delete::write_masks(store, view.table(TABLE).unwrap(), rows);
    let commit = Commit {
        masks: masks.unwrap().0,
        base: view.version,
        ..Commit::default()
    };
    store.commit(commit).unwrap();
}

fn mask_files(io: &Memory) -> usize {
    let is_mask = |path: &&std::path::PathBuf| path.extension().is_some_and(|end| end == "mask");
    io.files().iter().filter(is_mask).count()
}

#[test]
fn few_deleted_rows_cost_no_file_and_come_through_every_restart() {
    let io = Arc::new(Memory::default());
    let mut store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    insert(&store, 0..10).unwrap();
    let old = store.read_view();
    mask(&store, &only_group(&store), 0..4);
    insert(&store, 10..12).unwrap();
    mask(&store, &only_group(&store), 9..12);
    assert_eq!(values(&store, &old).unwrap(), Vec::from_iter(0..10));
    drop(old);
    let left = [1, 3, 4, 5, 6, 7, 8, 10];
    // From the log, from a checkpoint, and with a file for the rows alone.
    for step in 0..4 {
        assert_eq!(values(&store, &store.read_view()).unwrap(), left, "{step}");
        assert_eq!(mask_files(&io), 0);
        match step {
            1 => store.checkpoint().unwrap(),
            2 => store.fold(None).unwrap(),
            _ => {}
        }
        drop(store);
        store = open(io.clone()).unwrap();
    }
    let group = only_group(&store);
    assert!(group.mask_in_log && group.record.resident.is_none());
    mask(&store, &group, 1..2);
    drop(group);
    assert_eq!(values(&store, &store.read_view()).unwrap(), left[1..]);
    // A failed commit leaves nothing to remove, and a truncation neither.
    let truncated = Commit {
        truncated_tables: vec![TABLE],
        ..Commit::default()
    };
    store.commit(truncated).unwrap();
    drop(store);
    let store = open(io.clone()).unwrap();
    assert_eq!(values(&store, &store.read_view()).unwrap(), [0_i64; 0]);
}

#[test]
fn a_mask_that_grows_gets_a_file() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    insert(&store, 0..3_000).unwrap();
    store.fold(None).unwrap();
    mask(&store, &only_group(&store), 0..100);
    assert_eq!(mask_files(&io), 0);
    mask(&store, &only_group(&store), 100..3_000);
    assert_eq!(mask_files(&io), 1);
    let odd: Vec<i64> = (0..1_500).map(|n| 2 * n + 1).collect();
    assert_eq!(values(&store, &store.read_view()).unwrap(), odd);
    drop(store);
    let store = open(io.clone()).unwrap();
    assert_eq!(values(&store, &store.read_view()).unwrap(), odd);
    assert!(!only_group(&store).mask_in_log);
}

#[test]
fn a_vacuum_loses_no_row_inserted_meanwhile() {
    let store = open(Arc::new(Memory::default())).unwrap();
    create_table(&store, TABLE).unwrap();
    insert(&store, 0..5).unwrap();
    let old = store.table(TABLE).unwrap();
    insert(&store, 5..9).unwrap();
    let plan = MergePlan {
        slice: SLICE,
        order: RewriteOrder::Sorted,
        runs: vec![old.row_groups.to_vec()],
    };
    let options = MergeOptions {
        buffer_bytes: 1 << 20,
        deletes_may_come: true,
    };
    let merged = merge(&store, &old, plan, &options, &MergeProgress::default()).unwrap();
    insert(&store, 9..12).unwrap();
    let id = old.row_groups[0].record.id;
    delete(&store, &store.read_view(), id, &[7]).unwrap();
    merged.publish().unwrap();
    let expected: Vec<i64> = (0..12).filter(|value| *value != 7).collect();
    assert_eq!(values(&store, &store.read_view()).unwrap(), expected);
}

#[test]
fn a_full_row_group_gets_a_file_by_itself() {
    let io = Arc::new(Memory::default());
    let store = open(io.clone()).unwrap();
    create_table(&store, TABLE).unwrap();
    let step = 10_000;
    let rows = RESIDENT_ROWS_MAX as i64 + step;
    for from in (0..rows).step_by(step as usize) {
        insert(&store, from..from + step).unwrap();
    }
    insert(&store, -1..0).unwrap();
    let first = |store: &Store| store.table(TABLE).unwrap().row_groups[0].record.clone();
    while first(&store).resident.is_some() {
        std::thread::yield_now();
    }
    let record = first(&store);
    let path = name::row_group(SLICE, TABLE, record.id);
    assert_eq!(io.size(&path).unwrap(), Some(record.file_bytes));
    let found = values(&store, &store.read_view()).unwrap();
    assert_eq!(found.first(), Some(&-1));
    assert!(
        found.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "each value once"
    );
}

/// Runs the script until something fails; tells each acknowledged state.
fn script(io: Arc<dyn BlockStore>, acknowledged: &mut Vec<String>) -> Result<()> {
    acknowledged.clear();
    let store = open(io)?;
    let note = |acknowledged: &mut Vec<String>| acknowledged.push(seen(&store));
    note(acknowledged);
    create_table(&store, TABLE)?;
    note(acknowledged);
    insert(&store, 0..3)?;
    note(acknowledged);
    insert(&store, 3..5)?;
    note(acknowledged);
    let group = only_group(&store).record.id;
    delete(&store, &store.read_view(), group, &[1])?;
    note(acknowledged);
    store.checkpoint()?;
    insert(&store, 5..6)?;
    note(acknowledged);
    store.fold(None)?;
    note(acknowledged);
    delete(&store, &store.read_view(), group, &[2])?;
    note(acknowledged);
    insert(&store, 6..8)?;
    note(acknowledged);
    store.commit(Commit {
        added: vec![
            small(&store, SLICE, 8..9)?,
            small(&store, SliceId(1), 9..10)?,
        ],
        ..Commit::default()
    })?;
    note(acknowledged);
    store.checkpoint()?;
    store.commit(Commit {
        truncated_tables: vec![TABLE],
        added: vec![small(&store, SLICE, 20..21)?],
        ..Commit::default()
    })?;
    note(acknowledged);
    create_table(&store, TableId(8))?;
    note(acknowledged);
    store.close()
}

#[test]
fn a_stop_at_any_durable_step_of_small_inserts_loses_none() {
    stop_everywhere(script, seen);
}
