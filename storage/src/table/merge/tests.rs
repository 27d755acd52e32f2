//! A table written to, deleted from and merged at random holds what a model holds; also when the
//! process stops at any durable step, and when rows are deleted while a merge runs.

use super::*;
use crate::io::{BlockStore, Fault, Faulty, Memory};
use crate::schema::{ColumnLayout, ColumnType, EncodingName};
use crate::store::StoreOptions;
use crate::table::write::SliceWriter;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, StringViewArray};
use proptest::prelude::*;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::path::PathBuf;

const ID: TableId = TableId(1);
const SLICE: SliceId = SliceId(0);

fn open(io: Arc<dyn BlockStore>) -> Result<Arc<Store>> {
    let options = StoreOptions {
        dir: PathBuf::from("test"),
        cache_bytes: 1 << 22,
        slice_count: 1,
        sync: true,
    };
    Store::open_on(io, options, PathBuf::new())
}

fn layout(sort_key: SortKey) -> Arc<TableLayout> {
    let types = [ColumnType::Int64, ColumnType::Text, ColumnType::Int64];
    let columns = types.into_iter().zip(1..).map(|(ty, id)| ColumnLayout {
        id,
        name: format!("c{id}"),
        ty,
        encoding: EncodingName::Auto,
        nullable: true,
    });
    Arc::new(TableLayout {
        columns: columns.collect(),
        sort_key,
    })
}

fn text_of(key: i64) -> Option<String> {
    (key % 7 != 0).then(|| format!("text of the key {}", key % 100))
}

/// Rows of (key, text of the key, id); ids count from `first_id`.
fn rows(layout: &TableLayout, keys: &[i64], first_id: i64) -> RecordBatch {
    let texts: StringViewArray = keys.iter().map(|key| text_of(*key)).collect();
    let ids = first_id..first_id + keys.len() as i64;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(keys.to_vec())),
        Arc::new(texts),
        Arc::new(Int64Array::from_iter_values(ids)),
    ];
    RecordBatch::try_new(layout.arrow_schema(), columns).unwrap()
}

fn insert(store: &Arc<Store>, keys: &[i64], first_id: i64, buffer_bytes: usize) -> Result<()> {
    let layout = Arc::clone(&store.table(ID)?.layout);
    let batch = rows(&layout, keys, first_id);
    let mut writer = SliceWriter::new(store, ID, SLICE, layout, buffer_bytes);
    for at in (0..keys.len()).step_by(1_000) {
        writer.write(batch.slice(at, (keys.len() - at).min(1_000)))?;
    }
    let added = writer.finish()?;
    let commit = Commit {
        added: added.clone(),
        ..Commit::default()
    };
    let committed = store.commit(commit);
    if committed.is_err() {
        store.discard(&added, &[]);
    }
    committed.map(drop)
}

/// Reads ids with their keys, and checks that rows are whole.
fn scan(store: &Arc<Store>) -> Vec<(RowGroupId, Vec<(i64, i64)>)> {
    let table = store.table(ID).unwrap();
    let request = Arc::new(ScanRequest {
        projection: vec![0, 1, 2],
        conjuncts: vec![],
        row_ids: false,
        batch_rows: 8_192,
    });
    let groups = table.row_groups.iter().map(|group| {
        let zones = 0..zone_count(group.record.rows);
        let request = Arc::clone(&request);
        let mut scan = RowGroupScan::new(store, &table.layout, group, 0, zones, request).unwrap();
        let mut found = Vec::new();
        while let Some(batch) = scan.next_batch().unwrap() {
            let keys = batch.column(0).as_primitive::<Int64Type>();
            let ids = batch.column(2).as_primitive::<Int64Type>();
            let texts = batch.column(1).as_string_view().iter();
            for ((key, id), text) in keys.values().iter().zip(ids.values()).zip(texts) {
                assert_eq!(text, text_of(*key).as_deref(), "row {id}");
                found.push((*id, *key));
            }
        }
        (group.record.id, found)
    });
    groups.collect()
}

fn ids(store: &Arc<Store>) -> BTreeMap<i64, i64> {
    let mut all = BTreeMap::new();
    for (id, key) in scan(store).into_iter().flat_map(|(_, rows)| rows) {
        assert!(all.insert(id, key).is_none(), "row {id} is there twice");
    }
    all
}

/// Deletes the rows of which `is_gone` says so.
fn delete(store: &Arc<Store>, is_gone: impl Fn(i64) -> bool) -> Result<()> {
    let view = store.read_view();
    let table = view.table(ID)?;
    let request = Arc::new(ScanRequest {
        projection: vec![2],
        conjuncts: vec![],
        row_ids: true,
        batch_rows: 8_192,
    });
    let mut marked = RowsToDelete::new();
    for group in table.row_groups.iter() {
        let zones = 0..zone_count(group.record.rows);
        let request = Arc::clone(&request);
        let mut scan = RowGroupScan::new(store, &table.layout, group, 0, zones, request)?;
        while let Some(batch) = scan.next_batch()? {
            let ids = batch.column(0).as_primitive::<Int64Type>().values();
            let places = batch.column(1).as_primitive::<Int64Type>().values();
            for (id, place) in ids.iter().zip(places) {
                if is_gone(*id) {
                    let rows: &mut RoaringBitmap = marked.entry(group.record.id).or_default();
                    rows.insert(*place as u32);
                }
            }
        }
    }
    let (masks, _) = write_masks(store, table, marked)?;
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

/// What a vacuum would merge.
#[derive(Clone, Copy, Debug)]
enum What {
    All,
    Unsorted,
    Kept,
}

fn plan(table: &TableVersion, what: What) -> MergePlan {
    let all: Vec<_> = table.on_slice(SLICE).cloned().collect();
    let unsorted = all.iter().filter(|group| !group.record.sorted).cloned();
    let (order, runs) = match what {
        What::All => (RewriteOrder::Sorted, vec![all]),
        What::Unsorted => (RewriteOrder::Sorted, vec![unsorted.collect()]),
        What::Kept => {
            let regions = all.chunk_by(|left, right| left.record.sorted == right.record.sorted);
            (RewriteOrder::Kept, regions.map(<[_]>::to_vec).collect())
        }
    };
    MergePlan {
        slice: SLICE,
        order,
        runs,
    }
}

fn begin(store: &Arc<Store>, what: What, buffer_bytes: usize) -> Result<Merged> {
    let table = store.table(ID)?;
    let options = MergeOptions {
        buffer_bytes,
        deletes_may_come: true,
    };
    let plan = plan(&table, what);
    merge(store, &table, plan, &options, &MergeProgress::default())
}

fn make(io: Arc<dyn BlockStore>, key: SortKey) -> Result<Arc<Store>> {
    let store = open(io)?;
    if store.table(ID).is_err() {
        store.commit(Commit {
            layouts: vec![(ID, (*layout(key)).clone())],
            ..Commit::default()
        })?;
    }
    Ok(store)
}

fn scattered(count: i64, seed: i64) -> Vec<i64> {
    (0..count)
        .map(|at| (at * 7_919 + seed * 104_729) % 1_009)
        .collect()
}

/// Checks that keys of the sorted region never fall, within and between row groups.
fn assert_sorted_region(store: &Arc<Store>) {
    let table = store.table(ID).unwrap();
    let sorted: Vec<_> = table.row_groups.iter().map(|g| g.record.sorted).collect();
    let mut last = i64::MIN;
    for ((_, rows), sorted) in scan(store).into_iter().zip(sorted) {
        if sorted {
            for (_, key) in rows {
                assert!(last <= key, "{key} after {last}");
                last = key;
            }
        }
    }
}

#[test]
fn a_merge_sorts_everything_within_a_small_buffer() {
    for key in [
        SortKey::Compound(vec![0]),
        SortKey::Compound(vec![0, 1]),
        SortKey::Interleaved(vec![0, 1]),
    ] {
        let store = make(Arc::new(Memory::default()), key.clone()).unwrap();
        for part in 0..4 {
            insert(&store, &scattered(20_000, part), part * 20_000, 400_000).unwrap();
        }
        delete(&store, |id| id % 3 == 0).unwrap();
        let before = ids(&store);
        let merged = begin(&store, What::All, 300_000).unwrap();
        assert_eq!(merged.rows(), before.len() as u64);
        assert!(merged.row_groups().len() > 4, "{key:?}");
        let largest = merged.row_groups().iter().map(|group| group.rows).max();
        assert!(largest < Some(16_000), "{key:?}: {largest:?} rows at once");
        merged.publish().unwrap();
        assert_eq!(ids(&store), before, "{key:?}");
        let table = store.table(ID).unwrap();
        assert!(table.row_groups.iter().all(|group| group.record.sorted));
        assert!(table.row_groups.iter().all(|group| group.deleted.is_none()));
        if let SortKey::Compound(_) = key {
            assert_sorted_region(&store);
        } else {
            let spread = |rows: &[(i64, i64)]| {
                let keys = rows.iter().map(|(_, key)| *key);
                keys.clone().max().unwrap() - keys.min().unwrap()
            };
            let groups = scan(&store);
            let narrow = groups.iter().filter(|(_, rows)| spread(rows) < 700);
            assert!(
                narrow.count() * 2 > groups.len(),
                "row groups are no ranges"
            );
        }
    }
}

#[test]
fn rows_older_than_the_sorted_region_join_it() {
    let store = make(Arc::new(Memory::default()), SortKey::Compound(vec![0])).unwrap();
    // After it, before it, between, and before it again.
    for (part, first) in [(0, 500), (1, 900), (2, 100), (3, 700), (4, 10)] {
        let keys: Vec<i64> = (first..first + 50).rev().collect();
        insert(&store, &keys, part * 100, 60_000).unwrap();
        let merged = begin(&store, What::Unsorted, 100_000);
        merged.unwrap().publish().unwrap();
        let table = store.table(ID).unwrap();
        assert!(table.row_groups.iter().all(|group| group.record.sorted));
        assert_sorted_region(&store);
    }
    assert_eq!(ids(&store).len(), 250);
}

#[test]
fn one_key_everywhere_is_streamed() {
    let store = make(Arc::new(Memory::default()), SortKey::Compound(vec![0])).unwrap();
    let mut keys = vec![5; 60_000];
    keys[7] = 1;
    keys[70] = 9;
    insert(&store, &keys, 0, 500_000).unwrap();
    let before = ids(&store);
    let merged = begin(&store, What::All, 300_000).unwrap();
    merged.publish().unwrap();
    assert_eq!(ids(&store), before);
    assert_sorted_region(&store);
}

#[test]
fn deletes_and_inserts_during_a_merge_are_kept() {
    for what in [What::All, What::Unsorted, What::Kept] {
        let store = make(Arc::new(Memory::default()), SortKey::Compound(vec![0])).unwrap();
        insert(&store, &scattered(5_000, 1), 0, 60_000).unwrap();
        insert(&store, &scattered(5_000, 2), 5_000, 60_000).unwrap();
        delete(&store, |id| id % 10 == 0).unwrap();
        let reader = store.read_view();
        let merged = begin(&store, what, 100_000).unwrap();
        insert(&store, &[3, 2_000, 4], 10_000, 60_000).unwrap();
        delete(&store, |id| id % 10 == 1 || id == 10_001).unwrap();
        let late = store.read_view();
        merged.publish().unwrap();
        let expected: Vec<i64> = (0..10_003)
            .filter(|id| id % 10 > 1 || *id >= 10_000)
            .filter(|id| *id != 10_001)
            .collect();
        let found = ids(&store);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), expected);
        assert_sorted_region(&store);
        // A transaction that deletes as of before the swap is refused, not lost.
        let table = late.table(ID).unwrap();
        let group = table
            .row_groups
            .iter()
            .find(|g| g.deleted.is_some())
            .unwrap();
        let all: RoaringBitmap = (0..group.record.rows as u32).collect();
        let rows = RowsToDelete::from([(group.record.id, all)]);
        let (masks, _) = write_masks(&store, table, rows).unwrap();
        let commit = Commit {
            masks,
            base: late.version,
            ..Commit::default()
        };
        let still_there = store.table(ID).unwrap();
        let is_kept = |id| still_there.row_groups.iter().any(|g| g.record.id == id);
        if !is_kept(group.record.id) {
            assert!(matches!(store.commit(commit), Err(Error::Conflict { .. })));
        }
        assert_eq!(reader.table(ID).unwrap().row_count(), 9_000);
    }
}

#[test]
fn a_merge_of_what_is_gone_changes_nothing() {
    let store = make(Arc::new(Memory::default()), SortKey::Compound(vec![0])).unwrap();
    insert(&store, &scattered(100, 1), 0, 60_000).unwrap();
    let merged = begin(&store, What::All, 100_000).unwrap();
    store
        .commit(Commit {
            truncated_tables: vec![ID],
            ..Commit::default()
        })
        .unwrap();
    assert!(matches!(merged.publish(), Err(Error::Conflict { .. })));
    assert!(ids(&store).is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<i64>),
    Delete(i64, i64),
    Merge(What),
    MergeWhile(What, Vec<i64>, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys = || prop::collection::vec(0..50_i64, 0..300);
    let what = || prop_oneof![Just(What::All), Just(What::Unsorted), Just(What::Kept)];
    let step = prop_oneof![
        3 => keys().prop_map(Step::Insert),
        2 => (2..9_i64, 0..9_i64).prop_map(|(by, rest)| Step::Delete(by, rest)),
        2 => what().prop_map(Step::Merge),
        2 => (what(), keys(), 2..9_i64).prop_map(|(what, keys, by)| Step::MergeWhile(what, keys, by)),
    ];
    prop::collection::vec(step, 1..12)
}

fn key_strategy() -> impl Strategy<Value = SortKey> {
    prop_oneof![
        Just(SortKey::None),
        Just(SortKey::Compound(vec![0])),
        Just(SortKey::Compound(vec![1, 0])),
        Just(SortKey::Interleaved(vec![1, 0])),
    ]
}

/// Runs the steps until one fails, and keeps what was acknowledged.
fn run(store: &Arc<Store>, steps: &[Step], model: &mut BTreeMap<i64, i64>) -> Result<()> {
    let mut next_id = 0;
    for step in steps {
        let mut add = |model: &mut BTreeMap<i64, i64>, keys: &[i64]| {
            model.extend((next_id..).zip(keys.iter().copied()));
            next_id += keys.len() as i64;
            next_id - keys.len() as i64
        };
        let mut after = model.clone();
        match step {
            Step::Insert(keys) => {
                let first = add(&mut after, keys);
                insert(store, keys, first, 4_000)?;
                *model = after;
            }
            Step::Delete(by, rest) => {
                after.retain(|id, _| id % by != *rest);
                delete(store, |id| id % by == *rest)?;
                *model = after;
            }
            Step::Merge(what) => drop(begin(store, *what, 6_000)?.publish()?),
            Step::MergeWhile(what, keys, by) => {
                let merged = begin(store, *what, 6_000)?;
                let first = add(&mut after, keys);
                insert(store, keys, first, 4_000)?;
                *model = after.clone();
                after.retain(|id, _| id % by != 0);
                delete(store, |id| id % by == 0)?;
                *model = after;
                merged.publish()?;
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_work_leaves_what_the_model_holds(steps in steps(), key in key_strategy()) {
        let io = Arc::new(Memory::default());
        let store = make(io.clone(), key.clone()).unwrap();
        let mut model = BTreeMap::new();
        run(&store, &steps, &mut model).unwrap();
        prop_assert_eq!(ids(&store), model.clone());
        if key == SortKey::Compound(vec![0]) {
            assert_sorted_region(&store);
        }
        let order = scan(&store);
        drop(store);
        io.lose_power();
        let store = open(io).unwrap();
        prop_assert_eq!(scan(&store), order, "after a restart");
    }
}

#[test]
fn a_stop_at_any_durable_step_of_a_merge_loses_and_doubles_nothing() {
    let before = [
        Step::Insert((0..200).rev().collect()),
        Step::Insert((50..300).collect()),
        Step::Delete(3, 0),
    ];
    let work = [
        Step::Merge(What::Unsorted),
        Step::MergeWhile(What::All, vec![7, 900], 5),
        Step::Merge(What::Kept),
    ];
    let script = |io: Arc<dyn BlockStore>, model: &mut BTreeMap<i64, i64>| {
        let store = make(io, SortKey::Compound(vec![0]))?;
        run(&store, &[&before[..], &work[..]].concat(), model)?;
        store.close()
    };
    let count = Arc::new(Faulty::new(
        Arc::new(Memory::default()),
        usize::MAX,
        Fault::Fail,
    ));
    let mut whole = BTreeMap::new();
    script(count.clone(), &mut whole).unwrap();
    // The sweeper removes files when it likes, so the number of steps differs a little.
    let steps = count.steps() + 8;
    for fault in [
        Fault::StopBefore,
        Fault::StopAfter,
        Fault::Fail,
        Fault::Full,
    ] {
        for step in 0..steps {
            let io = Arc::new(Memory::default());
            let faulty = Arc::new(Faulty::new(io.clone(), step, fault));
            let mut model = BTreeMap::new();
            let result = script(faulty, &mut model);
            io.lose_power();
            let store = make(io, SortKey::Compound(vec![0])).unwrap();
            let found = ids(&store);
            // A write in flight is there whole or not at all; rows without one are equal to the model.
            let in_flight =
                result.is_err() && [200, 450, 2].contains(&found.len().abs_diff(model.len()));
            let deleted = result.is_err()
                && found.keys().all(|id| model.contains_key(id))
                && (found == without(&model, 3) || found == without(&model, 5));
            assert!(
                found == model || in_flight || deleted || found.len() == 450 && model.len() == 200,
                "{fault:?} at step {step}: {} rows, not {}",
                found.len(),
                model.len()
            );
            insert(&store, &[1], 1_000_000, 4_000).unwrap();
            begin(&store, What::All, 6_000).unwrap().publish().unwrap();
            assert_eq!(ids(&store).len(), found.len() + 1);
        }
    }
}

fn without(model: &BTreeMap<i64, i64>, by: i64) -> BTreeMap<i64, i64> {
    let kept = model.iter().filter(|(id, _)| **id % by != 0);
    kept.map(|(id, key)| (*id, *key)).collect()
}
