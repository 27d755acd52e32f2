//! Scans of one core over a row group of lineitem, all rows and one in a hundred by columns of several forms,
//! of few columns and of all, beside the `parquet` crate with the same columns and the predicate as its row filter, on files in memory.
//!
//! `cargo bench -p blueshift-benches --bench scan`

mod cpu_time;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, StringViewArray,
};
use blueshift_storage::store::version::RowGroupEntry;
use blueshift_storage::store::{Store, StoreOptions};
use blueshift_storage::table::predicate::{ColumnTest, CompareOp, Conjunct, Value};
use blueshift_storage::table::scan::{RowGroupScan, ScanRequest, zone_count};
use blueshift_storage::table::write::SliceWriter;
use blueshift_storage::{
    ColumnLayout, ColumnType, EncodingName, SliceId, SortKey, TableId, TableLayout,
};
use bytes::Bytes;
use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tpchgen::generators::{LineItem, LineItemGenerator};

const ROWS: usize = 400_000;
const BATCH_ROWS: usize = 8_192;
const MONEY: ColumnType = ColumnType::Decimal {
    precision: 15,
    scale: 2,
};
/// The columns of lineitem, but for a price that is a double as well.
const COLUMNS: [(&str, ColumnType); 14] = [
    ("l_partkey", ColumnType::Int64),
    ("l_shipdate", ColumnType::Date),
    ("price_double", ColumnType::Float64),
    ("l_shipinstruct", ColumnType::Text),
    ("l_comment", ColumnType::Text),
    ("l_orderkey", ColumnType::Int64),
    ("l_suppkey", ColumnType::Int32),
    ("l_quantity", MONEY),
    ("l_extendedprice", MONEY),
    ("l_discount", MONEY),
    ("l_tax", MONEY),
    ("l_commitdate", ColumnType::Date),
    ("l_receiptdate", ColumnType::Date),
    ("l_shipmode", ColumnType::Text),
];
/// What is read of the rows that pass: two narrow columns, all but the comment, or all.
const PROJECTIONS: [(&str, &[usize]); 3] = [
    ("two columns", &[2, 3]),
    ("no comment", &[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
    ("whole row", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
];

/// One test, for storage and for parquet.
struct Case {
    name: &'static str,
    column: usize,
    test: Option<ColumnTest>,
    passes: fn(&ArrayRef) -> BooleanArray,
}

fn cases() -> Vec<Case> {
    // Keys up to 200 000 and seven years of days, both without order: one row in a hundred.
    let below = |bound: i64| Some(ColumnTest::Compare(CompareOp::Lt, Value::Int(bound.into())));
    vec![
        Case {
            name: "all",
            column: 0,
            test: None,
            passes: |_| BooleanArray::new_null(0),
        },
        Case {
            name: "one in a hundred by key",
            column: 0,
            test: below(2_000),
            passes: |keys| {
                let keys = keys.as_primitive::<Int64Type>().values().iter();
                keys.map(|key| Some(*key < 2_000)).collect()
            },
        },
        Case {
            name: "one in a hundred by date",
            column: 1,
            test: below(8_114),
            passes: |dates| {
                let dates = dates.as_primitive::<Date32Type>().values().iter();
                dates.map(|date| Some(*date < 8_114)).collect()
            },
        },
        Case {
            name: "one in a hundred by decimal",
            column: 8,
            test: below(110_000),
            passes: |prices| {
                let prices = prices.as_primitive::<Decimal128Type>().values().iter();
                prices.map(|price| Some(*price < 110_000)).collect()
            },
        },
        Case {
            name: "one in a hundred by double",
            column: 2,
            test: Some(ColumnTest::Compare(CompareOp::Lt, Value::Float(1_100.0))),
            passes: |prices| {
                let prices = prices.as_primitive::<Float64Type>().values().iter();
                prices.map(|price| Some(*price < 1_100.0)).collect()
            },
        },
        Case {
            name: "one in fifty by code",
            column: 7,
            test: Some(ColumnTest::Compare(CompareOp::Eq, Value::Int(700))),
            passes: |quantities| {
                let quantities = quantities.as_primitive::<Decimal128Type>().values().iter();
                quantities.map(|quantity| Some(*quantity == 700)).collect()
            },
        },
        Case {
            name: "one in 250 by prefix",
            column: 4,
            test: Some(ColumnTest::StartsWith((*b"depos").into())),
            passes: |texts| {
                let texts = texts.as_string::<i32>().iter();
                texts
                    .map(|text| text.map(|text| text.starts_with("depos")))
                    .collect()
            },
        },
    ]
}

fn columns(items: &[LineItem<'_>]) -> Vec<ArrayRef> {
    let text = |of: &dyn Fn(&LineItem<'_>) -> String| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(items.iter().map(of)))
    };
    let long = |of: &dyn Fn(&LineItem<'_>) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(items.iter().map(of)))
    };
    let date = |of: &dyn Fn(&LineItem<'_>) -> i32| -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(items.iter().map(of)))
    };
    let money = |of: &dyn Fn(&LineItem<'_>) -> i64| -> ArrayRef {
        let cents = items.iter().map(|item| i128::from(of(item)));
        Arc::new(Decimal128Array::from_iter_values(cents).with_data_type(MONEY.arrow()))
    };
    let cents = |item: &LineItem<'_>| item.l_extendedprice.into_inner() as f64 / 100.0;
    let keys = items.iter().map(|item| item.l_suppkey as i32);
    vec![
        long(&|item| item.l_partkey),
        date(&|item| item.l_shipdate.to_unix_epoch()),
        Arc::new(Float64Array::from_iter_values(items.iter().map(cents))),
        text(&|item| item.l_shipinstruct.to_string()),
        text(&|item| item.l_comment.to_string()),
        long(&|item| item.l_orderkey),
        Arc::new(Int32Array::from_iter_values(keys)),
        money(&|item| item.l_quantity * 100),
        money(&|item| item.l_extendedprice.into_inner()),
        money(&|item| item.l_discount.into_inner()),
        money(&|item| item.l_tax.into_inner()),
        date(&|item| item.l_commitdate.to_unix_epoch()),
        date(&|item| item.l_receiptdate.to_unix_epoch()),
        text(&|item| item.l_shipmode.to_string()),
    ]
}

/// The same rows in a Parquet file of one row group, with its defaults but for zstd.
fn parquet(columns: &[ArrayRef]) -> Bytes {
    // Plain strings: parquet reads views only where its schema says so.
    let plain = columns
        .iter()
        .map(|values| match values.as_string_view_opt() {
            Some(texts) => Arc::new(texts.iter().collect::<StringArray>()) as ArrayRef,
            None => Arc::clone(values),
        });
    let names = COLUMNS.map(|(name, _)| name);
    let batch = RecordBatch::try_from_iter(names.into_iter().zip(plain)).expect("columns");
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut file = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
    file.into()
}

fn read_parquet(file: &Bytes, case: &Case, projection: &[usize]) -> usize {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("a file");
    let schema = reader.parquet_schema();
    let projection = ProjectionMask::leaves(schema, projection.iter().copied());
    let tested = ProjectionMask::leaves(schema, [case.column]);
    let mut reader = reader
        .with_batch_size(BATCH_ROWS)
        .with_projection(projection);
    if case.test.is_some() {
        let passes = case.passes;
        let predicate = ArrowPredicateFn::new(tested, move |batch: RecordBatch| {
            Ok(passes(batch.column(0)))
        });
        reader = reader.with_row_filter(RowFilter::new(vec![Box::new(predicate)]));
    }
    let batches = reader.build().expect("a reader");
    batches
        .map(|batch| black_box(batch.expect("a batch")).num_rows())
        .sum()
}

fn scan(criterion: &mut Criterion<CpuTime>) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(StoreOptions {
        dir: dir.path().join("data"),
        cache_bytes: 1 << 30,
        slice_count: 1,
        sync: false,
    });
    let store = store.expect("a store");
    let layouts = COLUMNS
        .iter()
        .zip(1..)
        .map(|((name, ty), id)| ColumnLayout {
            id,
            name: (*name).to_owned(),
            ty: *ty,
            encoding: EncodingName::Auto,
            nullable: false,
        });
    let layout = Arc::new(TableLayout {
        columns: layouts.collect(),
        sort_key: SortKey::None,
    });
    let generator = LineItemGenerator::new(1.0, 1, 1);
    let items: Vec<LineItem<'_>> = generator.iter().take(ROWS).collect();
    let columns = columns(&items);
    let mut writer = SliceWriter::new(
        &store,
        TableId(1),
        SliceId(0),
        Arc::clone(&layout),
        256 << 20,
    );
    let rows = RecordBatch::try_new(layout.arrow_schema(), columns.clone()).expect("columns");
    writer.write(rows).expect("rows that fit");
    let written = writer.finish().expect("written");
    let entries: Vec<Arc<RowGroupEntry>> = written
        .iter()
        .map(|record| {
            Arc::new(RowGroupEntry {
                record: record.clone(),
                deleted: None,
                mask_version: 0,
                mask_in_log: false,
            })
        })
        .collect();
    let file = parquet(&columns);
    let mut group = criterion.benchmark_group("scan");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Elements(ROWS as u64));
    for (shape, projection) in PROJECTIONS {
        for case in cases() {
            let conjuncts = case.test.clone().map(|test| Conjunct::Column {
                column: case.column,
                test,
            });
            let request = Arc::new(ScanRequest {
                projection: projection.to_vec(),
                conjuncts: conjuncts.into_iter().collect(),
                row_ids: false,
                batch_rows: BATCH_ROWS,
            });
            let read = || {
                let mut rows = 0;
                for entry in &entries {
                    let zones = 0..zone_count(entry.record.rows);
                    let scan =
                        RowGroupScan::new(&store, &layout, entry, 0, zones, Arc::clone(&request));
                    let mut scan = scan.expect("a scan");
                    while let Some(batch) = scan.next_batch().expect("a batch") {
                        rows += black_box(batch).num_rows();
                    }
                }
                rows
            };
            let found = read();
            let name = format!("{shape}, {}", case.name);
            let in_parquet = read_parquet(&file, &case, projection);
            assert_eq!(found, in_parquet, "{name}");
            println!("{name}: {found} rows of {ROWS}");
            group.bench_function(&name, |bencher| bencher.iter(read));
            group.bench_function(format!("{name} of parquet"), |bencher| {
                bencher.iter(|| read_parquet(&file, &case, projection));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = scan
}
criterion_main!(benches);
