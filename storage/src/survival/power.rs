//! Power ends at any moment of random work, also of a recovery: what is there then is what was
//! acknowledged, and of what was in flight each commit whole or not at all.

use super::*;
use crate::env::{Random, SeededRandom};
use crate::io::Memory;
use crate::store::rewrite::RewriteOrder;
use crate::table::merge::{MergeOptions, MergePlan, MergeProgress, merge};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, StringViewArray};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

const TABLE: TableId = TableId(1);

/// How often power ends in the life of one directory.
const ENDS: usize = 4;

/// Steps after which it ends at the latest.
const STEPS_MAX: u64 = 300;

/// The rows of the table, by id.
type Rows = BTreeMap<i64, i64>;

/// What the test knows of a directory.
#[derive(Default)]
struct Known {
    has_table: bool,
    acknowledged: Rows,
    /// Commits handed in and not answered: each the rows it takes away, and those it adds.
    in_flight: Vec<(Vec<i64>, Rows)>,
    next_id: i64,
    commits: usize,
}

fn text_of(key: i64) -> String {
    format!("text {}", key % 37)
}

fn batch(store: &Store, rows: &Rows) -> Result<RecordBatch> {
    let texts: StringViewArray = rows.values().map(|key| Some(text_of(*key))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.values().copied())),
        Arc::new(texts),
        Arc::new(Int64Array::from_iter_values(rows.keys().copied())),
    ];
    let schema = store.table(TABLE)?.layout.arrow_schema();
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn insert_rows(store: &Arc<Store>, rows: &Rows) -> Result<()> {
    let of_slice = |slice: u32| -> Rows {
        let here = rows.iter().filter(|(id, _)| **id % 2 == i64::from(slice));
        here.map(|(id, key)| (*id, *key)).collect()
    };
    let mut batches = Vec::new();
    for slice in 0..SLICES {
        let rows = of_slice(slice);
        if !rows.is_empty() {
            batches.push((SliceId(slice), batch(store, &rows)?));
        }
    }
    insert(store, TABLE, batches)
}

/// Reads all rows, each checked to be whole, with the row group and place of each.
fn rows_of(store: &Arc<Store>) -> Result<Vec<(i64, i64, RowGroupId, u32)>> {
    let mut found = Vec::new();
    let table = store.table(TABLE)?;
    for group in table.row_groups.iter() {
        for batch in read(store, &table.layout, group, vec![0, 1, 2], true)? {
            let keys = batch.column(0).as_primitive::<Int64Type>().values();
            let ids = batch.column(2).as_primitive::<Int64Type>().values();
            let places = batch.column(3).as_primitive::<Int64Type>().values();
            let texts = batch.column(1).as_string_view();
            for (row, text) in texts.iter().enumerate() {
                assert_eq!(text, Some(text_of(keys[row]).as_str()), "row {}", ids[row]);
                found.push((ids[row], keys[row], group.record.id, places[row] as u32));
            }
        }
    }
    Ok(found)
}

fn delete_rows(store: &Arc<Store>, gone: &[i64]) -> Result<()> {
    let mut rows: BTreeMap<RowGroupId, RoaringBitmap> = BTreeMap::new();
    for (id, _, group, place) in rows_of(store)? {
        if gone.contains(&id) {
            rows.entry(group).or_default().insert(place);
        }
    }
    let as_files = store.read_view().version.0.is_multiple_of(2);
    delete(store, TABLE, rows.into_iter().collect(), as_files)
}

fn vacuum(store: &Arc<Store>, slice: SliceId, order: RewriteOrder) -> Result<()> {
    let table = store.table(TABLE)?;
    let groups: Vec<_> = table.on_slice(slice).cloned().collect();
    if groups.is_empty() {
        return Ok(());
    }
    let groups = match order {
        RewriteOrder::Sorted => groups,
        // Neighbours of one region.
        RewriteOrder::Kept => {
            let sorted = groups[0].record.sorted;
            let same = |group: &Arc<RowGroupEntry>| group.record.sorted == sorted;
            groups.into_iter().take_while(|group| same(group)).collect()
        }
    };
    let plan = MergePlan {
        slice,
        order,
        runs: vec![groups],
    };
    let options = MergeOptions {
        buffer_bytes: 1 << 20,
        deletes_may_come: true,
    };
    merge(store, &table, plan, &options, &MergeProgress::default())?
        .publish()
        .map(drop)
}

/// Makes some new rows.
fn new_rows(known: &mut Known, random: &SeededRandom) -> Rows {
    let count = 1 + random.next() % 60;
    let first = known.next_id;
    known.next_id += count as i64;
    (first..known.next_id)
        .map(|id| (id, (random.next() % 1_000) as i64))
        .collect()
}

/// Does one thing, after noting what it would change; an error says that power ended.
fn work(store: &Arc<Store>, known: &mut Known, random: &SeededRandom) -> Result<()> {
    match random.next() % 10 {
        0..=3 => {
            let rows = new_rows(known, random);
            known.in_flight = vec![(Vec::new(), rows.clone())];
            insert_rows(store, &rows)?;
        }
        4 => {
            // At the same time, so that they share a frame of the log or do not.
            let all: Vec<Rows> = (0..3).map(|_| new_rows(known, random)).collect();
            known.in_flight = all.iter().map(|rows| (Vec::new(), rows.clone())).collect();
            let results: Vec<Result<()>> = std::thread::scope(|scope| {
                let insert = |rows| scope.spawn(move || insert_rows(store, rows));
                let threads: Vec<_> = all.iter().map(insert).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            let mut failed = None;
            for (rows, result) in all.into_iter().zip(results) {
                match result {
                    Ok(()) => {
                        known.acknowledged.extend(rows.clone());
                        known.in_flight.retain(|(_, flying)| *flying != rows);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            failed.map_or(Ok(()), Err)?;
        }
        5 | 6 => {
            let share = 1 + random.next() % 4;
            let is_gone = |_: &&i64| random.next() % 8 < share;
            let gone: Vec<i64> = known.acknowledged.keys().filter(is_gone).copied().collect();
            known.in_flight = vec![(gone.clone(), Rows::new())];
            delete_rows(store, &gone)?;
        }
        7 => {
            let slice = SliceId((random.next() % u64::from(SLICES)) as u32);
            let order = match random.next() % 2 {
                0 => RewriteOrder::Sorted,
                _ => RewriteOrder::Kept,
            };
            vacuum(store, slice, order)?;
        }
        8 => store.checkpoint()?,
        _ if random.next().is_multiple_of(4) => {
            let gone = known.acknowledged.keys().copied().collect();
            let rows = new_rows(known, random);
            known.in_flight = vec![(gone, rows.clone())];
            // All rows so far end in the commit that adds the new ones.
            let layout = Arc::clone(&store.table(TABLE)?.layout);
            let mut writer = SliceWriter::new(store, TABLE, SliceId(0), layout, 1 << 20);
            writer.write(batch(store, &rows)?)?;
            store.commit(Commit {
                truncated_tables: vec![TABLE],
                added: writer.finish()?,
                ..Commit::default()
            })?;
        }
        _ => {}
    }
    for (gone, rows) in std::mem::take(&mut known.in_flight) {
        known.acknowledged.retain(|id, _| !gone.contains(id));
        known.acknowledged.extend(rows);
        known.commits += 1;
    }
    Ok(())
}

/// Compares what is there with what may be, and takes it for acknowledged.
fn check(store: &Arc<Store>, known: &mut Known, what: &str) {
    if !known.has_table && store.table(TABLE).is_err() {
        return;
    }
    let rows = rows_of(store).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut found = Rows::new();
    for (id, key, ..) in rows {
        assert!(
            found.insert(id, key).is_none(),
            "{what}: row {id} is there twice"
        );
    }
    let mut wanted = known.acknowledged.clone();
    for (gone, rows) in std::mem::take(&mut known.in_flight) {
        let mut after = wanted.clone();
        after.retain(|id, _| !gone.contains(id));
        after.extend(rows.clone());
        let is_there = match rows.first_key_value() {
            Some((id, _)) => found.contains_key(id),
            None => gone.first().is_some_and(|id| !found.contains_key(id)),
        };
        if is_there {
            wanted = after;
        }
    }
    assert!(
        found == wanted,
        "{what}: there are\n{found:?}\nand not\n{wanted:?}"
    );
    known.has_table = true;
    known.acknowledged = wanted;
}

fn create(store: &Arc<Store>, known: &mut Known) -> Result<()> {
    if known.has_table || store.table(TABLE).is_ok() {
        known.has_table = true;
        return Ok(());
    }
    let columns = vec![
        column(1, "key", ColumnType::Int64, EncodingName::Auto),
        column(2, "text", ColumnType::Text, EncodingName::Auto),
        column(3, "id", ColumnType::Int64, EncodingName::Auto),
    ];
    create_table(store, TABLE, columns)?;
    known.has_table = true;
    Ok(())
}

/// Lives through some ends of power; gives how many there were, and the commits acknowledged.
fn live(seed: u64) -> (usize, usize) {
    let random = SeededRandom::new(seed);
    let memory = Arc::new(Memory::default());
    let mut known = Known::default();
    let mut ends = 0;
    while ends < ENDS {
        memory.end_power_after((random.next() % STEPS_MAX) as usize);
        let lived = open(memory.clone()).and_then(|store| {
            let what = format!("seed {seed}, after {ends} ends of power, with power");
            if memory.has_power() && known.in_flight.is_empty() && known.has_table {
                // The power may end while this reads.
                if rows_of(&store).is_ok() {
                    check(&store, &mut known, &what);
                }
            }
            create(&store, &mut known)?;
            loop {
                work(&store, &mut known, &random)?;
            }
            #[expect(unreachable_code, reason = "gives the closure its type")]
            Ok(())
        });
        let error = lived.unwrap_err();
        assert!(
            !memory.has_power(),
            "seed {seed}, after {ends} ends of power: {error}"
        );
        ends += 1;
        memory.restore_power(&random);
        // A second end while the first is recovered from.
        memory.end_power_after((random.next() % 12) as usize);
        if open(memory.clone()).is_err() {
            assert!(!memory.has_power(), "seed {seed}: no recovery with power");
        }
        memory.restore_power(&random);
        let what = format!("seed {seed}, after {ends} ends of power");
        let store = open(memory.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&store, &mut known, &what);
    }
    (ends, known.commits)
}

#[test]
fn an_end_of_power_leaves_what_was_acknowledged() {
    let seeds: usize = if full() { 2_000 } else { 200 };
    let first: u64 = std::env::var("BLUESHIFT_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let (next, ends, commits) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let run = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds {
                return;
            }
            let (ended, committed) = live(first + seed as u64);
            ends.fetch_add(ended, Relaxed);
            commits.fetch_add(committed, Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let (ends, commits) = (ends.into_inner(), commits.into_inner());
    println!("{seeds} seeds, {ends} ends of power, {commits} commits acknowledged, no wrong state");
    assert!(commits > seeds, "{commits} commits");
}
