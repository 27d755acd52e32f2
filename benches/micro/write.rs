//! The write path of storage: sort, gather, encode and write one million rows shaped like TPC-H's
//! lineitem, in order of arrival and under each kind of sort key.
//!
//! `cargo bench -p blueshift-benches --bench write`

mod lineitem;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use blueshift_storage::store::{Store, StoreOptions};
use blueshift_storage::table::write::SliceWriter;
use blueshift_storage::{SliceId, SortKey, TableId};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lineitem::{batch, layout};
use tpchgen::generators::{LineItem, LineItemGenerator};

const ROWS: usize = 1_000_000;
const BATCH_ROWS: usize = 8_192;
const BUFFER_BYTES: usize = 256 << 20;

fn write(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(StoreOptions {
        dir: dir.path().join("data"),
        cache_bytes: 1 << 20,
        slice_count: 1,
        sync: false,
    });
    let store = store.expect("a store");
    let generator = LineItemGenerator::new(1.0, 1, 1);
    let items: Vec<LineItem<'_>> = generator.iter().take(ROWS).collect();
    let batches: Vec<RecordBatch> = items
        .chunks(BATCH_ROWS)
        .map(|items| batch(items, &layout(SortKey::None)))
        .collect();
    drop(items);
    let mut group = criterion.benchmark_group("write");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(10))
        .throughput(Throughput::Elements(ROWS as u64));
    for (name, key) in [
        ("unsorted", SortKey::None),
        ("by date", SortKey::Compound(vec![10])),
        ("by date and order", SortKey::Compound(vec![10, 0])),
        ("interleaved", SortKey::Interleaved(vec![10, 1])),
    ] {
        let layout = layout(key);
        let writer = || {
            let (table, slice) = (TableId(1), SliceId(0));
            SliceWriter::new(&store, table, slice, Arc::clone(&layout), BUFFER_BYTES)
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || (writer(), batches.clone()),
                |(mut writer, batches)| {
                    for batch in batches {
                        writer.write(batch).expect("rows that fit");
                    }
                    let written = writer.finish().expect("written");
                    // Never committed: the files go at once.
                    store.discard(&written, &[]);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, write);
criterion_main!(benches);
