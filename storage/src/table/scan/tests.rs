//! Row groups written and scanned back, against naive twins.

use super::*;
use crate::error::Error;
use crate::io::BlockStore;
use crate::row_group::{RowGroupIdentity, RowGroupRecord};
use crate::schema::{
    ColumnLayout, ColumnType, EncodingName, RowGroupId, SliceId, SortKey, TableId, Value,
};
use crate::table::predicate::{ColumnTest, CompareOp, RowFilter};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryViewArray, BooleanArray, Int64Array, StringViewArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use proptest::prelude::*;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

mod predicates;

/// Files in memory.
#[derive(Debug, Default)]
struct Memory {
    files: Mutex<HashMap<PathBuf, Vec<u8>>>,
}

impl BlockStore for Memory {
    fn create(
        &self,
        path: &Path,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<u64> {
        let mut bytes = Vec::new();
        fill(&mut bytes)?;
        let size = bytes.len() as u64;
        self.files.lock().unwrap().insert(path.into(), bytes);
        Ok(size)
    }
    fn sync_dir(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let files = self.files.lock().unwrap();
        buffer.copy_from_slice(&files[path][offset as usize..][..buffer.len()]);
        Ok(())
    }
    fn size(&self, path: &Path) -> Result<Option<u64>> {
        Ok(self
            .files
            .lock()
            .unwrap()
            .get(path)
            .map(|bytes| bytes.len() as u64))
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.files.lock().unwrap().remove(path);
        Ok(())
    }
    fn rename(&self, _from: &Path, _to: &Path) -> Result<()> {
        Ok(())
    }
    fn list(&self, _path: &Path) -> Result<Vec<PathBuf>> {
        Ok(vec![])
    }
    fn list_dirs(&self, _path: &Path) -> Result<Vec<PathBuf>> {
        Ok(vec![])
    }
    fn open_append(&self, path: &Path) -> Result<Box<dyn crate::io::AppendFile>> {
        Err(Error::Internal(format!(
            "{} is not appended to",
            path.display()
        )))
    }
}

const IDENTITY: RowGroupIdentity = RowGroupIdentity {
    table: TableId(7),
    slice: SliceId(1),
    id: RowGroupId(3),
};

const TYPES: [ColumnType; 14] = [
    ColumnType::Bool,
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Int64,
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
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::Text,
    ColumnType::Bytes,
];

const NAMES: [EncodingName; 14] = [
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

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        crate::statistics::distinct::mix(self.0)
    }
}

/// How values are spread.
#[derive(Clone, Copy, Debug)]
enum Spread {
    Constant,
    Few,
    Ascending,
    Runs,
    Outliers,
    Any,
}

const SPREADS: [Spread; 6] = [
    Spread::Constant,
    Spread::Few,
    Spread::Ascending,
    Spread::Runs,
    Spread::Outliers,
    Spread::Any,
];

fn number(spread: Spread, row: usize, chance: &mut Chance) -> i64 {
    match spread {
        Spread::Constant => -7,
        Spread::Few => (chance.next() % 40) as i64 * 1_000_003 - 9_000_000,
        Spread::Ascending => row as i64 * 1_000 + (chance.next() % 900) as i64,
        Spread::Runs => (row / 300) as i64 % 11,
        Spread::Outliers if chance.next().is_multiple_of(100) => chance.next() as i64,
        Spread::Outliers => (chance.next() % 16) as i64,
        Spread::Any => chance.next() as i64,
    }
}

fn text(number: i64, spread: Spread) -> Vec<u8> {
    match spread {
        Spread::Any if number % 50 == 0 => vec![b'x'; (number as usize) % 3_000],
        _ if number % 7 == 0 => Vec::new(),
        _ => format!(
            "{}{number}",
            ["", "word ", "a somewhat longer text "][number as usize % 3]
        )
        .into_bytes(),
    }
}

fn array(
    ty: ColumnType,
    spread: Spread,
    rows: usize,
    nulls: Option<NullBuffer>,
    chance: &mut Chance,
) -> ArrayRef {
    let numbers: Vec<i64> = (0..rows).map(|row| number(spread, row, chance)).collect();
    let primitive = |buffer: Buffer| {
        let data = arrow_data::ArrayData::builder(ty.arrow())
            .len(rows)
            .add_buffer(buffer);
        arrow_array::make_array(data.nulls(nulls.clone()).build().unwrap())
    };
    match ty {
        ColumnType::Bool => {
            let bits = BooleanBuffer::collect_bool(rows, |row| numbers[row] & 1 != 0);
            Arc::new(BooleanArray::new(bits, nulls))
        }
        ColumnType::Int16 => primitive(Buffer::from_vec(
            numbers.iter().map(|n| *n as i16).collect::<Vec<_>>(),
        )),
        ColumnType::Int32 | ColumnType::Date | ColumnType::Float32 => primitive(Buffer::from_vec(
            numbers.iter().map(|n| *n as i32).collect::<Vec<_>>(),
        )),
        ColumnType::Decimal { precision: 38, .. } => {
            let wide = |n: &i64| match spread {
                Spread::Any => i128::from(*n) * 1_000_000_007 * 1_000,
                Spread::Ascending => (1i128 << 100) + i128::from(*n),
                Spread::Constant => -(1i128 << 90),
                _ => i128::from(*n),
            };
            primitive(Buffer::from_vec(
                numbers.iter().map(wide).collect::<Vec<_>>(),
            ))
        }
        ColumnType::Decimal { .. } => primitive(Buffer::from_vec(
            numbers
                .iter()
                .map(|n| i128::from(n % 1_000_000_000))
                .collect::<Vec<_>>(),
        )),
        ColumnType::Text | ColumnType::Bytes => {
            let texts = numbers.iter().enumerate().map(|(row, number)| {
                nulls
                    .as_ref()
                    .is_none_or(|nulls| nulls.is_valid(row))
                    .then(|| text(*number, spread))
            });
            let binary = BinaryViewArray::from_iter(texts);
            match ty {
                ColumnType::Text => Arc::new(binary.to_string_view().unwrap()),
                _ => Arc::new(binary),
            }
        }
        _ => primitive(Buffer::from_vec(numbers)),
    }
}

struct Fixture {
    io: Arc<Memory>,
    files: RowGroupFiles,
    layout: Arc<TableLayout>,
    rows: RecordBatch,
    record: RowGroupRecord,
}

fn fixture(columns: Vec<(ColumnType, EncodingName, ArrayRef)>) -> Fixture {
    let layouts = columns
        .iter()
        .enumerate()
        .map(|(index, (ty, encoding, _))| ColumnLayout {
            id: index as u32 + 10,
            name: format!("c{index}"),
            ty: *ty,
            encoding: *encoding,
            nullable: true,
        });
    let layout = Arc::new(TableLayout {
        columns: layouts.collect(),
        sort_key: SortKey::None,
    });
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    let rows = RecordBatch::try_new(layout.arrow_schema(), arrays).unwrap();
    let io = Arc::new(Memory::default());
    let files = RowGroupFiles::new(io.clone(), 64 << 20);
    let file_bytes = files.write(&IDENTITY, &layout, &rows).unwrap();
    let record = RowGroupRecord {
        table: IDENTITY.table,
        slice: IDENTITY.slice,
        id: IDENTITY.id,
        rows: rows.num_rows() as u64,
        file_bytes,
        sorted: true,
        key_range: None,
        mixed: false,
        resident: None,
        extends: None,
    };
    Fixture {
        io,
        files,
        layout,
        rows,
        record,
    }
}

impl Fixture {
    fn scan(
        &self,
        request: ScanRequest,
        deleted: Option<roaring::RoaringBitmap>,
    ) -> Result<(RecordBatch, ScanCounters)> {
        let entry = RowGroupEntry {
            record: self.record.clone(),
            deleted: deleted.map(Arc::new),
            mask_version: 1,
            mask_in_log: false,
        };
        let zones = 0..zone_count(self.record.rows);
        let schema = sink::batch_schema(&self.layout, &request);
        let batch_rows = request.batch_rows;
        let mut scan = RowGroupScan::over(
            &self.files,
            &self.layout,
            &Arc::new(entry),
            5,
            zones,
            Arc::new(request),
        )?;
        let mut batches = vec![];
        while let Some(batch) = scan.next_batch()? {
            assert!(batch.num_rows() > 0 && batch.num_rows() <= batch_rows);
            batches.push(batch);
        }
        let all = if schema.fields().is_empty() {
            let rows = batches.iter().map(RecordBatch::num_rows).sum();
            let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(schema, vec![], &options)?
        } else {
            arrow_select::concat::concat_batches(&schema, &batches)?
        };
        Ok((all, scan.counters().clone()))
    }
}

fn everything(layout: &TableLayout) -> ScanRequest {
    let projection = (0..layout.columns.len()).collect();
    ScanRequest {
        projection,
        conjuncts: vec![],
        row_ids: false,
        batch_rows: 8_192,
    }
}

fn some_nulls(rows: usize, chance: &mut Chance) -> NullBuffer {
    NullBuffer::new(BooleanBuffer::collect_bool(rows, |_| {
        !chance.next().is_multiple_of(5)
    }))
}

#[test]
fn every_encoding_gives_back_every_type() {
    let mut chance = Chance(1);
    for (turn, rows) in [0, 1, 1_023, 1_024, 1_025, 8_191, 8_192, 8_193, 20_000]
        .into_iter()
        .enumerate()
    {
        for null_kind in 0..3 {
            let mut columns = vec![];
            for (t, ty) in TYPES.into_iter().enumerate() {
                let spreads = if rows > 2_000 { 1 } else { SPREADS.len() };
                for (e, name) in NAMES.into_iter().enumerate() {
                    for extra in 0..spreads {
                        let spread = SPREADS[(turn + t + e + extra + null_kind) % SPREADS.len()];
                        let nulls = match null_kind {
                            0 => None,
                            1 => Some(some_nulls(rows, &mut chance)),
                            _ => Some(NullBuffer::new_null(rows)),
                        };
                        columns.push((ty, name, array(ty, spread, rows, nulls, &mut chance)));
                    }
                }
            }
            let fixture = fixture(columns);
            let (found, _) = fixture.scan(everything(&fixture.layout), None).unwrap();
            assert_eq!(found.num_rows(), rows);
            for (index, column) in fixture.layout.columns.iter().enumerate() {
                let equal = found.column(index) == fixture.rows.column(index);
                assert!(equal, "{rows} rows, nulls {null_kind}, {column:?}");
            }
        }
    }
}

#[test]
fn floats_come_back_to_the_bit() {
    let odd = [
        0.0,
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::from_bits(0x7FF0_0000_0000_0001),
        1.5,
    ];
    for name in NAMES {
        let values: Vec<f64> = (0..3_000).map(|row| odd[row % odd.len()]).collect();
        let fixture = fixture(vec![(
            ColumnType::Float64,
            name,
            Arc::new(arrow_array::Float64Array::from(values.clone())),
        )]);
        let (found, _) = fixture.scan(everything(&fixture.layout), None).unwrap();
        let found = found.column(0).as_primitive::<Float64Type>();
        assert!(
            found
                .values()
                .iter()
                .zip(&values)
                .all(|(a, b)| a.to_bits() == b.to_bits()),
            "{name:?}"
        );
    }
}

#[test]
fn a_long_text_makes_a_long_block() {
    for name in NAMES {
        let long = "ab".repeat(8 << 20);
        let middle = "é".repeat(32_767);
        let texts = StringViewArray::from(vec![
            Some(long.as_str()),
            None,
            Some(""),
            Some(middle.as_str()),
        ]);
        let fixture = fixture(vec![(ColumnType::Text, name, Arc::new(texts))]);
        let (found, _) = fixture.scan(everything(&fixture.layout), None).unwrap();
        assert!(found.column(0) == fixture.rows.column(0), "{name:?}");
    }
}

#[test]
fn counting_reads_no_block() {
    let fixture = fixture(vec![(
        ColumnType::Int64,
        EncodingName::Auto,
        Arc::new(Int64Array::from_iter_values(0..30_000)),
    )]);
    let request = ScanRequest {
        projection: vec![],
        ..everything(&fixture.layout)
    };
    let deleted: roaring::RoaringBitmap = [0, 8_192, 29_999].into_iter().collect();
    let (found, counters) = fixture.scan(request, Some(deleted)).unwrap();
    assert_eq!(
        (found.num_rows(), counters.bytes_read, counters.blocks),
        (29_997, 0, 0)
    );
}

#[test]
fn zone_maps_spare_blocks() {
    let sorted: ArrayRef = Arc::new(Int64Array::from_iter_values(
        (0..300_000).map(|n| n * 7_919_000),
    ));
    let fixture = fixture(vec![(ColumnType::Int64, EncodingName::Raw, sorted)]);
    let test = ColumnTest::Compare(CompareOp::Eq, Value::Int(200_000 * 7_919_000));
    let conjuncts = vec![Conjunct::Column { column: 0, test }];
    let request = ScanRequest {
        conjuncts,
        row_ids: true,
        ..everything(&fixture.layout)
    };
    let (found, counters) = fixture.scan(request, None).unwrap();
    assert_eq!(found.num_rows(), 1);
    assert_eq!(
        found.column(1).as_primitive::<Int64Type>().value(0),
        5 << 32 | 200_000
    );
    assert!(
        counters.blocks >= 3 && counters.blocks_pruned == counters.blocks - 1,
        "{counters:?}"
    );
    assert_eq!(counters.rows_scanned, ZONE_ROWS as u64);
}

#[test]
fn a_missing_column_is_null() {
    let fixture = fixture(vec![(
        ColumnType::Int64,
        EncodingName::Auto,
        Arc::new(Int64Array::from(vec![1, 2])),
    )]);
    let mut layout = TableLayout::clone(&fixture.layout);
    layout.columns.push(ColumnLayout {
        id: 99,
        name: "late".into(),
        ty: ColumnType::Text,
        ..layout.columns[0].clone()
    });
    let fixture = Fixture {
        layout: Arc::new(layout),
        ..fixture
    };
    let (found, _) = fixture.scan(everything(&fixture.layout), None).unwrap();
    assert_eq!(found.column(1).null_count(), 2);
    for (test, rows) in [(ColumnTest::IsNull, 2), (ColumnTest::IsNotNull, 0)] {
        let conjuncts = vec![Conjunct::Column { column: 1, test }];
        let request = ScanRequest {
            conjuncts,
            ..everything(&fixture.layout)
        };
        assert_eq!(fixture.scan(request, None).unwrap().0.num_rows(), rows);
    }
    let statistics = fixture
        .files
        .column_statistics(&fixture.record, 99)
        .unwrap()
        .statistics();
    assert_eq!(
        (statistics.rows, statistics.nulls, statistics.min),
        (2, 2, None)
    );
}

#[test]
fn statistics_tell_extremes_and_counts() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter(
        (0..20_000).map(|n| (n % 4 != 0).then_some(n % 1_000 - 5)),
    ));
    let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(
        (0..20_000).map(|n| format!("text number {n:05}")),
    ));
    let fixture = fixture(vec![
        (ColumnType::Int64, EncodingName::Auto, numbers),
        (ColumnType::Text, EncodingName::Auto, texts),
    ]);
    let of = |id| {
        fixture
            .files
            .column_statistics(&fixture.record, id)
            .unwrap()
    };
    let numbers = of(10).statistics();
    assert_eq!((numbers.rows, numbers.nulls), (20_000, 5_000));
    assert_eq!(
        (numbers.min, numbers.max),
        (Some(Value::Int(-4)), Some(Value::Int(994)))
    );
    assert!(
        (700..=800).contains(&numbers.distinct),
        "{}",
        numbers.distinct
    );
    let mut texts = of(11);
    texts.merge(&of(11));
    let texts = texts.statistics();
    assert_eq!((texts.rows, texts.value_bytes), (40_000, 40_000 * 17));
    assert!(
        (18_500..=21_500).contains(&texts.distinct),
        "{}",
        texts.distinct
    );
    assert_eq!(texts.min, Some(Value::Bytes((*b"text number 00").into())));
}

#[test]
fn every_flipped_bit_is_found() {
    let mut chance = Chance(3);
    let columns = [ColumnType::Int64, ColumnType::Text].map(|ty| {
        (
            ty,
            EncodingName::Auto,
            array(
                ty,
                Spread::Few,
                300,
                Some(some_nulls(300, &mut chance)),
                &mut chance,
            ),
        )
    });
    let fixture = fixture(columns.into());
    let path = RowGroupFiles::path(&IDENTITY);
    let whole = fixture.io.files.lock().unwrap()[&path].clone();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (chance.next() % 8);
        fixture.io.files.lock().unwrap().insert(path.clone(), bytes);
        let files = RowGroupFiles::new(fixture.io.clone(), 1 << 20);
        let fixture = Fixture {
            io: fixture.io.clone(),
            files,
            layout: fixture.layout.clone(),
            rows: fixture.rows.clone(),
            record: fixture.record.clone(),
        };
        let error = fixture
            .scan(everything(&fixture.layout), None)
            .expect_err("damage goes unnoticed");
        assert!(
            matches!(error, Error::Corrupt { .. } | Error::Version { .. }),
            "byte {at}: {error}"
        );
    }
    let mut bytes = whole;
    bytes[100] ^= 1;
    fixture.io.files.lock().unwrap().insert(path, bytes);
    let files = RowGroupFiles::new(fixture.io.clone(), 1 << 20);
    let error = Fixture { files, ..fixture };
    let error = error
        .scan(everything(&error.layout), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("table 7, column \"c0\", slice 1, block 0"),
        "{error}"
    );
}

/// Passes texts of even length, or null if asked to.
#[derive(Debug)]
struct EvenLength {
    columns: Vec<usize>,
    null_passes: bool,
}

impl RowFilter for EvenLength {
    fn columns(&self) -> &[usize] {
        &self.columns
    }
    fn select(&self, columns: &[ArrayRef], rows: usize) -> Result<BooleanBuffer> {
        let texts = columns[0].as_string_view();
        Ok(BooleanBuffer::collect_bool(rows, |row| {
            match texts.is_valid(row) {
                true => texts.value(row).len().is_multiple_of(2),
                false => self.null_passes,
            }
        }))
    }
}

/// Gives a value of the naive twin, in the domain of constants.
fn value_of(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        arrow_schema::DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        arrow_schema::DataType::Int64 => {
            Value::Int(array.as_primitive::<Int64Type>().value(row).into())
        }
        arrow_schema::DataType::Float64 => {
            Value::Float(array.as_primitive::<Float64Type>().value(row))
        }
        arrow_schema::DataType::Decimal128(..) => {
            Value::Int(array.as_primitive::<Decimal128Type>().value(row))
        }
        _ => Value::Bytes(array.as_string_view().value(row).as_bytes().into()),
    })
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a
            .partial_cmp(b)
            .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        _ => panic!("values of two families"),
    }
}

fn naive(test: &ColumnTest, value: Option<&Value>) -> bool {
    let Some(value) = value else {
        return matches!(test, ColumnTest::IsNull);
    };
    match test {
        ColumnTest::Within { ranges, .. } => ranges.iter().any(|(least, greatest)| {
            let is_above = |least: &Value| compare(value, least).is_ge();
            let is_below = |greatest: &Value| compare(value, greatest).is_le();
            least.as_ref().is_none_or(is_above) && greatest.as_ref().is_none_or(is_below)
        }),
        ColumnTest::IsNull => false,
        ColumnTest::IsNotNull => true,
        ColumnTest::Compare(op, constant) => {
            let order = compare(value, constant);
            match op {
                CompareOp::Eq => order.is_eq(),
                CompareOp::NotEq => order.is_ne(),
                CompareOp::Lt => order.is_lt(),
                CompareOp::LtEq => order.is_le(),
                CompareOp::Gt => order.is_gt(),
                CompareOp::GtEq => order.is_ge(),
            }
        }
        ColumnTest::In(values) => values.iter().any(|each| compare(each, value).is_eq()),
        ColumnTest::StartsWith(prefix) => match value {
            Value::Bytes(bytes) => bytes.starts_with(prefix),
            _ => false,
        },
    }
}

const TESTED: [ColumnType; 6] = [
    ColumnType::Int64,
    ColumnType::Float64,
    ColumnType::Decimal {
        precision: 12,
        scale: 2,
    },
    ColumnType::Decimal {
        precision: 38,
        scale: 4,
    },
    ColumnType::Text,
    ColumnType::Bool,
];

fn random_test(array: &ArrayRef, chance: &mut Chance) -> ColumnTest {
    let ops = [
        CompareOp::Eq,
        CompareOp::NotEq,
        CompareOp::Lt,
        CompareOp::LtEq,
        CompareOp::Gt,
        CompareOp::GtEq,
    ];
    let mut constant = || {
        let rows = (0..20).map(|_| chance.next() as usize % array.len());
        rows.into_iter().find_map(|row| value_of(array, row))
    };
    let Some(first) = constant() else {
        return ColumnTest::IsNull;
    };
    let mut several: Vec<Value> = (0..6).filter_map(|_| constant()).collect();
    several.sort_by(compare);
    several.dedup();
    match chance.next() % 12 {
        0 => ColumnTest::IsNull,
        1 => ColumnTest::IsNotNull,
        2 | 3 => ColumnTest::In(several.into()),
        4 | 5 => match first {
            Value::Bytes(bytes) => ColumnTest::StartsWith(bytes[..bytes.len() * 2 / 3].into()),
            _ => ColumnTest::IsNotNull,
        },
        op => ColumnTest::Compare(ops[op as usize - 6], first),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn scans_agree_with_a_naive_twin(seed in any::<u64>(), rows in 1usize..20_000, batch_rows in 1usize..9_000) {
        let mut chance = Chance(seed);
        let mut columns = vec![];
        for ty in TESTED {
            let spread = SPREADS[chance.next() as usize % SPREADS.len()];
            let name = NAMES[chance.next() as usize % NAMES.len()];
            let nulls = match chance.next() % 3 {
                0 => Some(some_nulls(rows, &mut chance)),
                _ => None,
            };
            columns.push((ty, name, array(ty, spread, rows, nulls, &mut chance)));
        }
        let fixture = fixture(columns);
        let mut conjuncts = vec![];
        let mut expected: Vec<bool> = vec![true; rows];
        for _ in 0..chance.next() % 4 {
            let column = chance.next() as usize % TESTED.len();
            let array = fixture.rows.column(column);
            let test = random_test(array, &mut chance);
            for (row, passes) in expected.iter_mut().enumerate() {
                *passes &= naive(&test, value_of(array, row).as_ref());
            }
            conjuncts.push(Conjunct::Column { column, test });
        }
        if chance.next().is_multiple_of(2) {
            let null_passes = chance.next().is_multiple_of(2);
            let filter = EvenLength { columns: vec![4], null_passes };
            let answers = filter.select(&[fixture.rows.column(4).clone()], rows).unwrap();
            expected.iter_mut().enumerate().for_each(|(row, passes)| *passes &= answers.value(row));
            conjuncts.push(Conjunct::Filter(Arc::new(filter)));
        }
        let deleted = (chance.next().is_multiple_of(2)).then(|| {
            (0..rows as u32).filter(|_| chance.next().is_multiple_of(6)).collect::<roaring::RoaringBitmap>()
        });
        for row in deleted.iter().flatten() {
            expected[row as usize] = false;
        }
        let request = ScanRequest { conjuncts, batch_rows, row_ids: true, ..everything(&fixture.layout) };
        let (found, _) = fixture.scan(request, deleted).unwrap();
        let kept: Vec<i64> = (0..rows).filter(|row| expected[*row]).map(|row| 5 << 32 | row as i64).collect();
        let found_ids = found.column(TESTED.len()).as_primitive::<Int64Type>().values().to_vec();
        prop_assert_eq!(found_ids, kept);
        let expected = arrow_select::filter::filter_record_batch(&fixture.rows, &BooleanArray::from(expected)).unwrap();
        for column in 0..TESTED.len() {
            prop_assert!(found.column(column) == expected.column(column), "column {}", column);
        }
    }
}
