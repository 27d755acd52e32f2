//! A flipped bit in every region of every kind of file is found before a row is returned, told by
//! table, column, slice and block, and leaves everything else readable.

use super::*;
use crate::env::{Random, SeededRandom};
use crate::error::Error;
use crate::io::Memory;
use crate::layout::row_group::{HEADER_BYTES, TRAILER_BYTES};
use crate::layout::{block, name};
use crate::row_group::files::RowGroupFiles;
use crate::store::ReadView;
use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, StringViewArray,
    Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

const ROWS: i64 = 300;

/// Flips in each region of each block, of the frames of a row group, and of other files.
const FLIPS: usize = 4;
const FLIPS_OF_FILES: usize = 40;

const TYPES: [ColumnType; 16] = [
    ColumnType::Bool,
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Float32,
    ColumnType::Float64,
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
    ColumnType::Bytes,
];

const ENCODINGS: [EncodingName; 14] = [
    EncodingName::Auto,
    EncodingName::Raw,
    EncodingName::Az64,
    EncodingName::Bytedict,
    EncodingName::Delta,
    EncodingName::Delta32k,
    EncodingName::Lzo,
    EncodingName::Mostly8,
    EncodingName::Mostly16,
    EncodingName::Mostly32,
    EncodingName::Runlength,
    EncodingName::Text255,
    EncodingName::Text32k,
    EncodingName::Zstd,
];

/// Numbers of a shape that its own encodings like: scattered, rising, in runs, few.
fn numbers(shape: usize) -> impl Iterator<Item = Option<i64>> {
    (0..ROWS).map(move |row| match shape % 4 {
        _ if (row + shape as i64) % 11 == 3 => None,
        0 => Some(row * 7_919 % 1_009),
        1 => Some(row * 3),
        2 => Some(row / 40),
        _ => Some(row % 5 * 100),
    })
}

fn values(ty: ColumnType, shape: usize) -> ArrayRef {
    let numbers = || numbers(shape);
    let text = |number: i64| format!("a text, not the shortest, of {number} things");
    match ty {
        ColumnType::Bool => Arc::new(BooleanArray::from_iter(
            numbers().map(|number| number.map(|number| number % 2 == 1)),
        )),
        ColumnType::Int16 => Arc::new(Int16Array::from_iter(
            numbers().map(|number| number.map(|number| number as i16)),
        )),
        ColumnType::Int32 => Arc::new(Int32Array::from_iter(
            numbers().map(|number| number.map(|number| number as i32)),
        )),
        ColumnType::Int64 => Arc::new(Int64Array::from_iter(numbers())),
        ColumnType::Float32 => Arc::new(Float32Array::from_iter(
            numbers().map(|number| number.map(|number| number as f32 / 4.0)),
        )),
        ColumnType::Float64 => Arc::new(Float64Array::from_iter(
            numbers().map(|number| number.map(|number| number as f64 / 3.0)),
        )),
        ColumnType::Decimal { precision, scale } => {
            let wide = |number: i64| i128::from(number) * 10_i128.pow(25);
            let values = numbers().map(|number| number.map(wide));
            let array = Decimal128Array::from_iter(values);
            Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
        }
        ColumnType::Date => Arc::new(Date32Array::from_iter(
            numbers().map(|number| number.map(|number| number as i32)),
        )),
        ColumnType::Time => Arc::new(Time64MicrosecondArray::from_iter(numbers())),
        ColumnType::TimeTz => Arc::new(Time64NanosecondArray::from_iter(numbers())),
        ColumnType::Months => Arc::new(IntervalYearMonthArray::from_iter(
            numbers().map(|number| number.map(|number| number as i32)),
        )),
        ColumnType::Duration => Arc::new(DurationMicrosecondArray::from_iter(numbers())),
        ColumnType::Timestamp => Arc::new(TimestampMicrosecondArray::from_iter(numbers())),
        ColumnType::TimestampTz => {
            Arc::new(TimestampMicrosecondArray::from_iter(numbers()).with_timezone("UTC"))
        }
        ColumnType::Text => Arc::new(StringViewArray::from_iter(
            numbers().map(|number| number.map(text)),
        )),
        ColumnType::Bytes => {
            let mut builder = BinaryViewBuilder::new();
            numbers().for_each(|number| builder.append_option(number.map(text)));
            Arc::new(builder.finish())
        }
    }
}

/// Makes a directory with a table per type that has a column per encoding, masks, a checkpoint, and
/// commits after it.
fn directory() -> Arc<Memory> {
    let memory = Arc::new(Memory::default());
    let store = open(memory.clone()).unwrap();
    for (number, ty) in (0_u64..).zip(TYPES) {
        let table = TableId(100 + number);
        let columns = ENCODINGS
            .iter()
            .zip(1..)
            .map(|(encoding, id)| column(id, &format!("c_{encoding:?}"), ty, *encoding));
        create_table(&store, table, columns.collect()).unwrap();
        let schema = store.table(table).unwrap().layout.arrow_schema();
        let batches = (0..SLICES).map(|slice| {
            let shape = |index: usize| index + slice as usize;
            let columns = (0..ENCODINGS.len()).map(|index| values(ty, shape(index)));
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
            (SliceId(slice), batch)
        });
        insert(&store, table, batches.collect()).unwrap();
        if number == 8 {
            store.checkpoint().unwrap();
        }
        let groups = Arc::clone(&store.table(table).unwrap().row_groups);
        let rows = groups.iter().map(|group| {
            let rows = RoaringBitmap::from_iter([1_u32, 5, 17, 100 + number as u32]);
            (group.record.id, rows)
        });
        delete(&store, table, rows.collect(), true).unwrap();
    }
    memory
}

/// A directory, read whole while it was.
struct Whole {
    memory: Arc<Memory>,
    view: Arc<ReadView>,
    /// By row group and column.
    columns: BTreeMap<(u64, usize), Vec<RecordBatch>>,
    flips: usize,
    random: SeededRandom,
}

/// One row group and its table.
type Group = (Arc<TableLayout>, Arc<RowGroupEntry>);

fn read_column(memory: &Arc<Memory>, group: &Group, index: usize) -> Result<Vec<RecordBatch>> {
    let files = RowGroupFiles::new(memory.clone(), 1 << 16);
    let request = Arc::new(ScanRequest {
        projection: vec![index],
        conjuncts: vec![],
        row_ids: false,
        batch_rows: 8_192,
    });
    let zones = 0..zone_count(group.1.record.rows);
    let mut scan = RowGroupScan::over(&files, &group.0, &group.1, 0, zones, request)?;
    let mut batches = Vec::new();
    while let Some(batch) = scan.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

impl Whole {
    fn new() -> Self {
        let memory = directory();
        let view = open(memory.clone()).unwrap().read_view();
        let mut whole = Self {
            memory,
            view,
            columns: BTreeMap::new(),
            flips: 0,
            random: SeededRandom::new(1),
        };
        for group in whole.groups() {
            for index in 0..ENCODINGS.len() {
                let batches = read_column(&whole.memory, &group, index).unwrap();
                let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                assert_eq!(rows as i64, ROWS - 4);
                whole.columns.insert((group.1.record.id.0, index), batches);
            }
        }
        whole
    }

    fn groups(&self) -> Vec<Group> {
        let mut tables: Vec<_> = self.view.tables.values().collect();
        tables.sort_by_key(|table| table.id);
        let of_table = |table: &Arc<crate::store::version::TableVersion>| {
            let layout = Arc::clone(&table.layout);
            let groups = table.row_groups.iter();
            let groups = groups.map(move |group| (Arc::clone(&layout), Arc::clone(group)));
            groups.collect::<Vec<_>>()
        };
        tables.into_iter().flat_map(of_table).collect()
    }

    /// Flips bits of `region`, one at a time, and lets `check` look at each.
    fn flip(&mut self, path: &Path, region: Range<usize>, count: usize, check: &dyn Fn(&str)) {
        let whole = self.memory.read(path).unwrap().unwrap();
        for number in 0..count {
            let length = region.len() as u64;
            // The first and the last byte, then any.
            let at = match number {
                0 => region.start,
                1 => region.end - 1,
                _ => region.start + (self.random.next() % length) as usize,
            };
            let bit = self.random.next() % 8;
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            self.memory.overwrite(path, bytes);
            check(&format!("{}, byte {at}, bit {bit}", path.display()));
            self.flips += 1;
        }
        self.memory.overwrite(path, whole);
    }

    fn assert_whole(&self, group: &Group, index: usize, what: &str) {
        let found = read_column(&self.memory, group, index);
        let found = found.unwrap_or_else(|error| panic!("{what}: the rest: {error}"));
        assert_eq!(found, self.columns[&(group.1.record.id.0, index)], "{what}");
    }
}

/// Asserts that this is an error that names all of `parts`.
fn assert_names<T>(result: Result<T>, parts: &[String], what: &str) {
    let error = match result {
        Err(error @ (Error::Corrupt { .. } | Error::Version { .. })) => error.to_string(),
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: not found"),
    };
    for part in parts {
        assert!(error.contains(part), "{what}: {error} does not name {part}");
    }
}

/// Flips bits in one row group: in the parts of each block, and in what frames them. Gives the
/// kinds of region.
fn flip_row_group(whole: &mut Whole, number: usize, kinds: &mut BTreeMap<&'static str, usize>) {
    let groups = whole.groups();
    let (group, other) = (
        &groups[number],
        &groups[(number + SLICES as usize) % groups.len()],
    );
    let record = &group.1.record;
    let path = name::row_group(record.slice, record.table, record.id);
    let bytes = whole.memory.read(&path).unwrap().unwrap();
    let files = RowGroupFiles::new(whole.memory.clone(), 1 << 16);
    let opened = files.open(record).unwrap();
    let owner = [
        format!("table {}", record.table.0),
        format!("slice {}", record.slice.0),
    ];
    let mut blocks_end = HEADER_BYTES;
    for (index, footer) in opened.footer.columns.iter().enumerate() {
        for (block_number, entry) in footer.blocks.iter().enumerate() {
            let base = entry.offset as usize;
            let end = base + entry.bytes as usize;
            blocks_end = blocks_end.max(end);
            let parts = block::read(&bytes[base..end]).unwrap();
            let mut regions = vec![("block header", base..base + block::ALIGN)];
            if parts.header.nulls == block::NullKind::Bitmap {
                let bitmap = parts.header.rows.div_ceil(8) as usize;
                let begin = base + parts.validity;
                regions.push(("bitmap", begin..begin + bitmap));
                regions.push(("padding", begin + bitmap..begin + block::padded(bitmap)));
            }
            let names = ["section a", "section b", "section c"];
            for (name, (begin, length)) in names.into_iter().zip(parts.sections) {
                let begin = base + begin;
                regions.push((name, begin..begin + length));
                regions.push(("padding", begin + length..begin + block::padded(length)));
            }
            let mut named = owner.to_vec();
            let column = group.0.columns[index].name.as_str();
            named.extend([
                format!("column \"{column}\""),
                format!("block {block_number}"),
            ]);
            for (kind, region) in regions.into_iter().filter(|(_, region)| !region.is_empty()) {
                *kinds.entry(kind).or_default() += FLIPS;
                let look = (whole.memory.clone(), whole.columns.clone());
                let neighbour = (index + 1) % ENCODINGS.len();
                let wanted = &look.1[&(record.id.0, neighbour)];
                whole.flip(&path, region, FLIPS, &|what| {
                    let what = format!("{kind}, {what}");
                    assert_names(read_column(&look.0, group, index), &named, &what);
                    let rest = read_column(&look.0, group, neighbour);
                    assert!(
                        rest.is_ok_and(|rest| rest == *wanted),
                        "{what}: the other columns"
                    );
                });
            }
        }
    }
    let trailer = bytes.len() - TRAILER_BYTES;
    for (kind, region) in [
        ("row group header", 0..HEADER_BYTES),
        ("footer", blocks_end..trailer),
        ("trailer", trailer..bytes.len()),
    ] {
        *kinds.entry(kind).or_default() += FLIPS_OF_FILES;
        let memory = whole.memory.clone();
        whole.flip(&path, region, FLIPS_OF_FILES, &|what| {
            let what = format!("{kind}, {what}");
            assert_names(read_column(&memory, group, number % 3), &owner, &what);
            let rest = read_column(&memory, other, 0);
            assert!(rest.is_ok(), "{what}: the other tables");
        });
    }
    whole.assert_whole(group, 0, "flipped back");
}

/// Flips bits in the mask of a row group: its table is refused, on its slice, and nothing else.
fn flip_mask(whole: &mut Whole, number: usize) {
    let groups = whole.groups();
    let (group, other) = (&groups[number], &groups[(number + 1) % groups.len()]);
    let record = &group.1.record;
    let path = name::mask(record.slice, record.table, record.id, group.1.mask_version);
    let length = whole.memory.size(&path).unwrap().unwrap() as usize;
    let named = [
        format!("table {}", record.table.0),
        format!("slice {}", record.slice.0),
        format!("row group {}", record.id.0),
    ];
    let memory = whole.memory.clone();
    whole.flip(&path, 0..length, FLIPS_OF_FILES, &|what| {
        let store = open(memory.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let read = |group: &Group| {
            let table = store.table(group.1.record.table)?;
            let of = |entry: &&Arc<RowGroupEntry>| entry.record.id == group.1.record.id;
            let entry = table.row_groups.iter().find(of).unwrap();
            read(&store, &table.layout, entry, vec![0], false)
        };
        assert_names(read(group), &named, what);
        assert!(read(other).is_ok(), "{what}: the other row groups");
    });
}

/// Flips bits of a file without which the directory must not open.
fn flip_file(whole: &mut Whole, path: &Path) {
    let length = whole.memory.size(path).unwrap().unwrap() as usize;
    let named = [path.file_stem().unwrap().to_string_lossy().into_owned()];
    let memory = whole.memory.clone();
    let check = |what: &str| assert_names(open(memory.clone()), &named, what);
    // The first frame's header bit by bit on average, and the rest at random.
    whole.flip(path, 0..15.min(length), 120, &check);
    whole.flip(path, 0..length, 10 * FLIPS_OF_FILES, &check);
}

#[test]
fn ten_thousand_flipped_bits_are_found_and_told() {
    let mut whole = Whole::new();
    let mut kinds = BTreeMap::new();
    let groups = whole.groups().len();
    for number in 0..groups {
        flip_row_group(&mut whole, number, &mut kinds);
    }
    for number in 0..groups {
        *kinds.entry("mask").or_default() += FLIPS_OF_FILES;
        flip_mask(&mut whole, number);
    }
    let files = whole.memory.files();
    for (kind, extension) in [("log", "log"), ("checkpoint", "checkpoint"), ("FORMAT", "")] {
        let is_kind = |path: &&PathBuf| match path.extension() {
            Some(found) => found == extension,
            None => extension.is_empty(),
        };
        let of_kind: Vec<_> = files.iter().filter(is_kind).cloned().collect();
        assert!(!of_kind.is_empty(), "no {kind}");
        for path in of_kind {
            let before = whole.flips;
            flip_file(&mut whole, &path);
            *kinds.entry(kind).or_default() += whole.flips - before;
        }
    }
    println!("{} flipped bits found: {kinds:?}", whole.flips);
    assert!(whole.flips >= 10_000, "{} flips", whole.flips);
    assert_eq!(kinds.len(), 13, "{kinds:?}");
}
