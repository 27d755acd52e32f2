//! What a VACUUM does on one slice, without the server: the rows of half of TPC-H's lineitem, of which half are
//! unsorted and three of ten deleted, written again in order.
//!
//! `cargo bench -p blueshift-benches --bench merge`

mod cpu_time;
mod lineitem;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use blueshift_storage::store::rewrite::RewriteOrder;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::store::{Commit, Store, StoreOptions};
use blueshift_storage::table::delete::write_masks;
use blueshift_storage::table::merge::{MergeOptions, MergePlan, MergeProgress, merge};
use blueshift_storage::table::write::SliceWriter;
use blueshift_storage::{SliceId, SortKey, TableId};
use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lineitem::{batch, layout};
use tpchgen::generators::{LineItem, LineItemGenerator};

const TABLE: TableId = TableId(1);
const SLICE: SliceId = SliceId(0);
/// Rows of half of scale 1, in four loads of which two are sorted.
const LOAD_ROWS: usize = 750_000;
const LOADS: usize = 4;
const BATCH_ROWS: usize = 8_192;
/// What a VACUUM takes for each of two slices.
const BUFFER_BYTES: usize = 128 << 20;

fn options() -> MergeOptions {
    MergeOptions {
        buffer_bytes: BUFFER_BYTES,
        deletes_may_come: true,
    }
}

fn plan(version: &TableVersion) -> MergePlan {
    MergePlan {
        slice: SLICE,
        order: RewriteOrder::Sorted,
        runs: vec![version.on_slice(SLICE).cloned().collect()],
    }
}

/// Loads the table, and gives its bytes.
fn load(store: &Arc<Store>) -> u64 {
    let layout = layout(SortKey::Compound(vec![10]));
    let create = Commit {
        layouts: vec![(TABLE, (*layout).clone())],
        ..Commit::default()
    };
    store.commit(create).expect("a table");
    let generator = LineItemGenerator::new(1.0, 1, 2);
    let mut items = generator.iter();
    for load in 1..=LOADS {
        let mut writer = SliceWriter::new(store, TABLE, SLICE, Arc::clone(&layout), BUFFER_BYTES);
        for _ in 0..LOAD_ROWS / BATCH_ROWS {
            let rows: Vec<LineItem<'_>> = items.by_ref().take(BATCH_ROWS).collect();
            let rows: RecordBatch = batch(&rows, &layout);
            writer.write(rows).expect("rows that fit");
        }
        let added = writer.finish().expect("written");
        let commit = Commit {
            added,
            ..Commit::default()
        };
        store.commit(commit).expect("loaded");
        if load * 2 == LOADS {
            let version = store.table(TABLE).expect("the table");
            let sorted = merge(
                store,
                &version,
                plan(&version),
                &options(),
                &MergeProgress::default(),
            );
            sorted.expect("sorted").publish().expect("visible");
        }
    }
    let version = store.table(TABLE).expect("the table");
    let groups = version.on_slice(SLICE);
    let deleted = groups.map(|group| {
        let rows = (0..group.record.rows as u32).filter(|row| row % 10 < 3);
        (group.record.id, rows.collect())
    });
    let deleted: HashMap<_, _> = deleted.collect();
    let (masks, _) = write_masks(store, &version, deleted).expect("deleted");
    let commit = Commit {
        masks,
        ..Commit::default()
    };
    store.commit(commit).expect("deleted");
    let version = store.table(TABLE).expect("the table");
    version
        .on_slice(SLICE)
        .map(|group| group.record.file_bytes)
        .sum()
}

fn vacuum(criterion: &mut Criterion<CpuTime>) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(StoreOptions {
        dir: dir.path().join("data"),
        cache_bytes: 1 << 20,
        slice_count: 1,
        sync: false,
    });
    let store = store.expect("a store");
    let bytes = load(&store);
    let version = store.table(TABLE).expect("the table");
    let mut group = criterion.benchmark_group("merge");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(10))
        .throughput(Throughput::Bytes(bytes));
    group.bench_function("half unsorted, three of ten deleted", |bencher| {
        bencher.iter_with_large_drop(|| {
            let progress = MergeProgress::default();
            // Never published: the files go at once.
            let merged = merge(&store, &version, plan(&version), &options(), &progress);
            merged.expect("written again")
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = vacuum
}
criterion_main!(benches);
