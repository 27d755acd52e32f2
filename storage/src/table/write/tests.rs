//! What a writer refuses before anything is written, and what it wrote read back.

use super::*;
use crate::io::{BlockStore, Fault, Faulty, Memory};
use crate::schema::{ColumnLayout, ColumnType, EncodingName, SortKey};
use crate::store::{Commit, StoreOptions};
use crate::table::buffered::Order;
use crate::table::delete::write_masks;
use crate::table::scan::{RowGroupScan, ScanRequest, zone_count};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{ArrayRef, Decimal128Array, Int64Array, StringViewArray};
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_schema::SortOptions;
use arrow_select::take::take_record_batch;
use std::path::PathBuf;

fn writer(nullable: bool) -> SliceWriter {
    let column = ColumnLayout {
        id: 1,
        name: "a".to_owned(),
        ty: ColumnType::Int64,
        encoding: EncodingName::Auto,
        nullable,
    };
    let layout = TableLayout {
        columns: vec![column],
        sort_key: SortKey::Compound(vec![0]),
    };
    let dir = PathBuf::from("test");
    let options = StoreOptions {
        dir,
        cache_bytes: 1 << 20,
        slice_count: 1,
        sync: true,
    };
    let store = Store::open_on(Arc::new(Memory::default()), options, PathBuf::new()).unwrap();
    SliceWriter::new(&store, TableId(1), SliceId(0), Arc::new(layout), 1 << 20)
}

fn batch(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap()
}

#[test]
fn nulls_and_other_types_are_refused() {
    let nulls = batch(Arc::new(Int64Array::from(vec![Some(1), None])));
    writer(true).write(nulls.clone()).unwrap();
    let error = writer(false).write(nulls).unwrap_err();
    let text = "null value in column \"a\" violates not-null constraint";
    assert_eq!(error.to_string(), text);
    let text = batch(Arc::new(StringViewArray::from(vec!["x"])));
    assert!(matches!(writer(true).write(text), Err(Error::Internal(_))));
}

fn column_layout(ty: ColumnType) -> TableLayout {
    let column = ColumnLayout {
        id: 1,
        name: "a".to_owned(),
        ty,
        encoding: EncodingName::Auto,
        nullable: true,
    };
    TableLayout {
        columns: vec![column],
        sort_key: SortKey::None,
    }
}

#[test]
fn text_that_is_not_shown_is_not_kept() {
    let long = "x".repeat(100_000);
    let all: ArrayRef = Arc::new(StringViewArray::from(vec![
        long.as_str(),
        "a value of text",
    ]));
    let mut buffered = Buffered::new(&column_layout(ColumnType::Text));
    buffered.extend(&batch(all.slice(1, 1)));
    assert!(buffered.bytes() < 100, "{}", buffered.bytes());
    let kept = buffered.take_column(0, &Order::default()).unwrap();
    let buffers = kept.as_string_view().data_buffers().iter();
    assert_eq!(buffers.map(|buffer| buffer.len()).sum::<usize>(), 15);
    assert_eq!(kept.as_string_view().value(0), "a value of text");
}

#[test]
fn decimals_are_widened_when_one_does_not_fit() {
    let ty = ColumnType::Decimal {
        precision: 38,
        scale: 2,
    };
    let layout = column_layout(ty);
    let column = |values: &[Option<i128>]| {
        let array = Decimal128Array::from(values.to_vec());
        batch(Arc::new(array.with_precision_and_scale(38, 2).unwrap()))
    };
    let batches = [
        column(&[Some(7), None]),
        column(&[Some(i128::from(i64::MIN)), Some(10_i128.pow(30))]),
        column(&[None, Some(-1)]),
    ];
    let mut buffered = Buffered::new(&layout);
    buffered.extend(&batches[0]);
    assert_eq!(buffered.bytes(), 16, "two of 64 bits");
    batches[1..].iter().for_each(|batch| buffered.extend(batch));
    let read = buffered.take_column(0, &Order::default()).unwrap();
    let read: Vec<Option<i128>> = read.as_primitive::<Decimal128Type>().iter().collect();
    let wide = Some(10_i128.pow(30));
    let least = Some(i128::from(i64::MIN));
    assert_eq!(read, [Some(7), None, least, wide, None, Some(-1)]);
}

#[test]
fn nothing_written_is_nothing_to_commit() {
    assert!(writer(true).finish().unwrap().is_empty());
}

const ID: TableId = TableId(1);
const ROWS: i64 = 30_000;

const TYPES: [ColumnType; 18] = [
    ColumnType::Int64,
    ColumnType::Bool,
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::Decimal {
        precision: 12,
        scale: 2,
    },
    ColumnType::Decimal {
        precision: 38,
        scale: 4,
    },
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::TimeTz,
    ColumnType::Months,
    ColumnType::Duration,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::Text,
    ColumnType::Text,
    ColumnType::Bytes,
];

fn all_types(sort_key: SortKey) -> Arc<TableLayout> {
    let columns = TYPES.iter().zip(1..).map(|(ty, id)| ColumnLayout {
        id,
        name: format!("c{id}"),
        ty: *ty,
        encoding: EncodingName::Auto,
        nullable: true,
    });
    Arc::new(TableLayout {
        columns: columns.collect(),
        sort_key,
    })
}

/// Makes the value of column `index` in the row whose first column is `number`, scattered but the
/// same each time; every seventh but in the first column is null.
fn value(index: usize, ty: ColumnType, number: i64) -> Option<i64> {
    let scattered = (number * 7_919 + index as i64 * 31) % 1_009;
    match (index, ty) {
        (0, _) => Some(number),
        _ if (number + index as i64) % 7 == 0 => None,
        (_, ColumnType::Bool) => Some(scattered % 2),
        (_, ColumnType::Time) => Some(scattered * 1_000_000),
        _ => Some(scattered - 500),
    }
}

fn column(index: usize, ty: ColumnType, numbers: &[i64]) -> ArrayRef {
    use arrow_array::builder::BinaryViewBuilder;
    use arrow_array::*;
    let values = || numbers.iter().map(|number| value(index, ty, *number));
    let wide = |value: i64| i128::from(value) * 10_i128.pow(25);
    let text = |value: i64| match index % 2 {
        0 => format!("{value}"),
        _ => format!("a text too long for its view {value}"),
    };
    match ty {
        ColumnType::Bool => Arc::new(BooleanArray::from_iter(
            values().map(|value| value.map(|value| value == 1)),
        )),
        ColumnType::Int16 => Arc::new(Int16Array::from_iter(
            values().map(|value| value.map(|value| value as i16)),
        )),
        ColumnType::Int32 => Arc::new(Int32Array::from_iter(
            values().map(|value| value.map(|value| value as i32)),
        )),
        ColumnType::Int64 => Arc::new(Int64Array::from_iter(values())),
        ColumnType::Float32 => Arc::new(Float32Array::from_iter(
            values().map(|value| value.map(|value| value as f32 / 4.0)),
        )),
        ColumnType::Float64 => Arc::new(Float64Array::from_iter(
            values().map(|value| value.map(|value| value as f64 / 3.0)),
        )),
        ColumnType::Decimal { precision, scale } => {
            let unscaled = values().map(|value| match precision > 18 {
                true => value.map(wide),
                false => value.map(i128::from),
            });
            let array = Decimal128Array::from_iter(unscaled);
            Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
        }
        ColumnType::Date => Arc::new(Date32Array::from_iter(
            values().map(|value| value.map(|value| value as i32)),
        )),
        ColumnType::Time => Arc::new(Time64MicrosecondArray::from_iter(values())),
        ColumnType::TimeTz => Arc::new(Time64NanosecondArray::from_iter(values())),
        ColumnType::Months => Arc::new(IntervalYearMonthArray::from_iter(
            values().map(|value| value.map(|value| value as i32)),
        )),
        ColumnType::Duration => Arc::new(DurationMicrosecondArray::from_iter(values())),
        ColumnType::Timestamp => Arc::new(TimestampMicrosecondArray::from_iter(values())),
        ColumnType::TimestampTz => {
            Arc::new(TimestampMicrosecondArray::from_iter(values()).with_timezone("UTC"))
        }
        ColumnType::Text => Arc::new(StringViewArray::from_iter(
            values().map(|value| value.map(text)),
        )),
        ColumnType::Bytes => {
            let mut builder = BinaryViewBuilder::new();
            values().for_each(|value| builder.append_option(value.map(text)));
            Arc::new(builder.finish())
        }
    }
}

fn rows(layout: &TableLayout, numbers: &[i64]) -> RecordBatch {
    let columns = TYPES.iter().enumerate();
    let columns = columns.map(|(index, ty)| column(index, *ty, numbers));
    RecordBatch::try_new(layout.arrow_schema(), columns.collect()).unwrap()
}

fn open(io: Arc<dyn BlockStore>) -> Arc<Store> {
    let options = StoreOptions {
        dir: PathBuf::from("test"),
        cache_bytes: 64 << 20,
        slice_count: 1,
        sync: true,
    };
    Store::open_on(io, options, PathBuf::new()).unwrap()
}

fn store_with(layout: &TableLayout) -> Arc<Store> {
    let store = open(Arc::new(Memory::default()));
    make_table(&store, layout);
    store
}

fn make_table(store: &Store, layout: &TableLayout) {
    let layouts = vec![(ID, layout.clone())];
    store
        .commit(Commit {
            layouts,
            ..Commit::default()
        })
        .unwrap();
}

/// Writes the rows `numbers` in batches, in one commit.
fn insert(store: &Arc<Store>, layout: &Arc<TableLayout>, numbers: &[i64], buffer_bytes: usize) {
    try_insert(store, layout, numbers, buffer_bytes).unwrap();
}

fn try_insert(
    store: &Arc<Store>,
    layout: &Arc<TableLayout>,
    numbers: &[i64],
    buffer_bytes: usize,
) -> Result<()> {
    let mut writer = SliceWriter::new(store, ID, SliceId(0), Arc::clone(layout), buffer_bytes);
    for part in numbers.chunks(1_000) {
        writer.write(rows(layout, part))?;
    }
    assert_eq!(writer.rows(), numbers.len() as u64);
    let added = writer.finish()?;
    let commit = Commit {
        added: added.clone(),
        base: store.read_view().version,
        ..Commit::default()
    };
    let committed = store.commit(commit);
    if committed.is_err() {
        store.discard(&added, &[]);
    }
    committed.map(drop)
}

/// Reads the whole table: one batch per row group.
fn scan(store: &Arc<Store>, layout: &Arc<TableLayout>) -> Vec<RecordBatch> {
    let request = Arc::new(ScanRequest {
        projection: (0..TYPES.len()).collect(),
        conjuncts: vec![],
        row_ids: false,
        batch_rows: ROWS as usize * 2,
    });
    let table = store.table(ID).unwrap();
    let groups = table.row_groups.iter().map(|group| {
        let zones = 0..zone_count(group.record.rows);
        let mut scan =
            RowGroupScan::new(store, layout, group, 0, zones, Arc::clone(&request)).unwrap();
        let batch = scan.next_batch().unwrap();
        assert!(scan.next_batch().unwrap().is_none());
        batch
    });
    groups.flatten().collect()
}

fn numbers_of(batch: &RecordBatch) -> Vec<i64> {
    let first = batch.column(0).as_primitive::<Int64Type>();
    first.values().to_vec()
}

#[test]
fn rows_come_back_whole_and_in_order_under_every_sort_key() {
    let keys = [
        SortKey::None,
        SortKey::Compound(vec![0]),
        SortKey::Compound(vec![8]),
        SortKey::Compound(vec![12, 3]),
        SortKey::Compound(vec![6, 13, 0]),
        SortKey::Interleaved(vec![2, 12]),
    ];
    let scattered: Vec<i64> = (0..ROWS).map(|at| at * 17_389 % ROWS).collect();
    for key in keys {
        let layout = all_types(key.clone());
        let store = store_with(&layout);
        insert(&store, &layout, &scattered, 2 << 20);
        let batches = scan(&store, &layout);
        assert!(batches.len() > 2, "{} row groups", batches.len());
        for batch in &batches {
            assert_eq!(*batch, rows(&layout, &numbers_of(batch)), "{key:?}");
            if let SortKey::Compound(indexes) = &key {
                let sort_columns: Vec<SortColumn> = indexes
                    .iter()
                    .map(|index| SortColumn {
                        values: Arc::clone(batch.column(*index)),
                        options: Some(SortOptions {
                            descending: false,
                            nulls_first: false,
                        }),
                    })
                    .collect();
                let order = lexsort_to_indices(&sort_columns, None).unwrap();
                let sorted = take_record_batch(batch, &order).unwrap();
                for index in indexes {
                    assert_eq!(sorted.column(*index), batch.column(*index), "{key:?}");
                }
            }
        }
        let mut found: Vec<i64> = batches.iter().flat_map(numbers_of).collect();
        if key == SortKey::None {
            assert_eq!(found, scattered);
        }
        found.sort_unstable();
        assert_eq!(found, (0..ROWS).collect::<Vec<_>>(), "{key:?}");
    }
}

#[test]
fn deleted_rows_do_not_come_back() {
    let layout = all_types(SortKey::Compound(vec![8]));
    let store = store_with(&layout);
    let numbers: Vec<i64> = (0..ROWS).collect();
    insert(&store, &layout, &numbers, 2 << 20);
    let before = scan(&store, &layout);
    for step in [3, 2] {
        let table = store.table(ID).unwrap();
        let groups = table.row_groups.iter().map(|group| {
            let offsets = (0..group.record.rows as u32).step_by(step);
            (group.record.id, offsets.collect())
        });
        let (masks, deleted) = write_masks(&store, &table, groups.collect()).unwrap();
        assert!(deleted > 0);
        let base = store.read_view().version;
        store
            .commit(Commit {
                masks,
                base,
                ..Commit::default()
            })
            .unwrap();
    }
    let expected = before.iter().map(|batch| {
        let kept = numbers_of(batch).into_iter().enumerate();
        let kept = kept.filter(|(at, _)| at % 3 != 0 && at % 2 != 0);
        kept.map(|(_, number)| number).collect::<Vec<_>>()
    });
    let expected: Vec<Vec<i64>> = expected.collect();
    let found = scan(&store, &layout);
    assert_eq!(found.iter().map(numbers_of).collect::<Vec<_>>(), expected);
    for batch in &found {
        assert_eq!(*batch, rows(&layout, &numbers_of(batch)));
    }
    let total: usize = expected.iter().map(Vec::len).sum();
    assert_eq!(store.table(ID).unwrap().row_count(), total as u64);
}

#[test]
fn what_follows_the_sorted_region_stays_sorted() {
    let layout = all_types(SortKey::Compound(vec![0]));
    let io: Arc<Memory> = Arc::default();
    let mut store = open(io.clone());
    make_table(&store, &layout);
    let part = |from: i64, to: i64| (from..to).collect::<Vec<_>>();
    // Each tells whether it extends the sorted region; the last key is whole, so an equal one may.
    let steps = [
        (part(100, 200), true),
        (part(200, 300), true),
        (part(50, 60), false),
        (part(299, 310), true),
        (part(305, 320), false),
        (part(310, 320), true),
    ];
    for (numbers, sorted) in steps {
        // What is known of the region must survive a replay of the log.
        drop(store);
        store = open(io.clone());
        insert(&store, &layout, &numbers, 2 << 20);
        let table = store.table(ID).unwrap();
        let newest = table.row_groups.iter().map(|group| &group.record);
        let newest = newest.max_by_key(|record| record.id).unwrap();
        assert_eq!(newest.sorted, sorted, "{:?}", numbers.first());
    }
    store.close().unwrap();
}

#[test]
fn a_device_full_at_any_step_of_a_write_loses_and_leaves_nothing() {
    let layout = all_types(SortKey::Compound(vec![0]));
    let numbers: Vec<i64> = (0..3_000).collect();
    let run = |at: usize| {
        let io = Arc::new(Memory::default());
        let faulty = Arc::new(Faulty::new(io.clone(), at, Fault::Full));
        let store = open(faulty.clone());
        make_table(&store, &layout);
        let made = faulty.steps();
        let written = try_insert(&store, &layout, &numbers, 256 << 10);
        (io, store, written, made..faulty.steps())
    };
    let (_, _, written, steps) = run(usize::MAX);
    written.unwrap();
    let (mut refused, mut stopped) = (0, 0);
    for at in steps {
        let (io, store, written, _) = run(at);
        match written.unwrap_err() {
            Error::DiskFull { .. } => {
                refused += 1;
                let files = io.list(&name::table_dir(SliceId(0), ID)).unwrap();
                assert!(files.is_empty(), "step {at} left {files:?}");
                insert(&store, &layout, &numbers, 256 << 10);
                let found = scan(&store, &layout);
                let found: Vec<i64> = found.iter().flat_map(numbers_of).collect();
                assert_eq!(found, numbers, "step {at}");
            }
            // The sync of the log is the one step after which nothing is sure.
            Error::LogStopped => stopped += 1,
            other => panic!("step {at}: {other}"),
        }
    }
    assert!(refused > 2 && stopped == 1, "{refused} {stopped}");
}
