//! The write path of storage: sort, gather, encode and write one million rows shaped like TPC-H's
//! lineitem, in order of arrival and under each kind of sort key.
//!
//! `cargo bench -p blueshift-benches --bench write`

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
};
use blueshift_storage::store::{Store, StoreOptions};
use blueshift_storage::table::write::SliceWriter;
use blueshift_storage::{
    ColumnLayout, ColumnType, EncodingName, SliceId, SortKey, TableId, TableLayout,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tpchgen::generators::{LineItem, LineItemGenerator};

const ROWS: usize = 1_000_000;
const BATCH_ROWS: usize = 8_192;
const BUFFER_BYTES: usize = 256 << 20;

const MONEY: ColumnType = ColumnType::Decimal {
    precision: 12,
    scale: 2,
};

const COLUMNS: [(&str, ColumnType); 16] = [
    ("l_orderkey", ColumnType::Int64),
    ("l_partkey", ColumnType::Int64),
    ("l_suppkey", ColumnType::Int64),
    ("l_linenumber", ColumnType::Int32),
    ("l_quantity", MONEY),
    ("l_extendedprice", MONEY),
    ("l_discount", MONEY),
    ("l_tax", MONEY),
    ("l_returnflag", ColumnType::Text),
    ("l_linestatus", ColumnType::Text),
    ("l_shipdate", ColumnType::Date),
    ("l_commitdate", ColumnType::Date),
    ("l_receiptdate", ColumnType::Date),
    ("l_shipinstruct", ColumnType::Text),
    ("l_shipmode", ColumnType::Text),
    ("l_comment", ColumnType::Text),
];

fn layout(sort_key: SortKey) -> Arc<TableLayout> {
    let columns = COLUMNS
        .iter()
        .zip(1..)
        .map(|((name, ty), id)| ColumnLayout {
            id,
            name: (*name).to_owned(),
            ty: *ty,
            encoding: EncodingName::Auto,
            nullable: false,
        });
    Arc::new(TableLayout {
        columns: columns.collect(),
        sort_key,
    })
}

fn batch(items: &[LineItem<'_>], layout: &TableLayout) -> RecordBatch {
    let wide = |of: &dyn Fn(&LineItem<'_>) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(items.iter().map(of)))
    };
    let money = |of: &dyn Fn(&LineItem<'_>) -> i64| -> ArrayRef {
        let values = items.iter().map(|item| i128::from(of(item)));
        let array = Decimal128Array::from_iter_values(values);
        Arc::new(array.with_precision_and_scale(12, 2).expect("a precision"))
    };
    let date = |of: &dyn Fn(&LineItem<'_>) -> i32| -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(items.iter().map(of)))
    };
    let text = |of: &dyn Fn(&LineItem<'_>) -> String| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(items.iter().map(of)))
    };
    let lines = items.iter().map(|item| item.l_linenumber);
    let columns = vec![
        wide(&|item| item.l_orderkey),
        wide(&|item| item.l_partkey),
        wide(&|item| item.l_suppkey),
        Arc::new(Int32Array::from_iter_values(lines)),
        money(&|item| item.l_quantity * 100),
        money(&|item| item.l_extendedprice.into_inner()),
        money(&|item| item.l_discount.into_inner()),
        money(&|item| item.l_tax.into_inner()),
        text(&|item| item.l_returnflag.to_string()),
        text(&|item| item.l_linestatus.to_string()),
        date(&|item| item.l_shipdate.to_unix_epoch()),
        date(&|item| item.l_commitdate.to_unix_epoch()),
        date(&|item| item.l_receiptdate.to_unix_epoch()),
        text(&|item| item.l_shipinstruct.to_string()),
        text(&|item| item.l_shipmode.to_string()),
        text(&|item| item.l_comment.to_string()),
    ];
    RecordBatch::try_new(layout.arrow_schema(), columns).expect("columns of the layout")
}

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
