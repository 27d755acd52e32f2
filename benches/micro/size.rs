//! What the tables of TPC-H take on disk, in row groups as the demo's tables are sorted, and in Parquet
//! files with Zstandard of the same rows in the order of their making.
//!
//! `cargo bench -p blueshift-benches --bench size -- [scale]`

use std::fmt::Display;
use std::sync::Arc;

use arrow_array::builder::{
    Date32Builder, Decimal128Builder, Int32Builder, Int64Builder, StringViewBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use blueshift_storage::store::{Store, StoreOptions};
use blueshift_storage::table::write::SliceWriter;
use blueshift_storage::{
    ColumnLayout, ColumnType, EncodingName, SliceId, SortKey, TableId, TableLayout,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

const BATCH_ROWS: usize = 65_536;
const BUFFER_BYTES: usize = 512 << 20;

const MONEY: ColumnType = ColumnType::Decimal {
    precision: 15,
    scale: 2,
};

/// A table: a letter for the type of each column, and the column it is sorted by.
struct Shape {
    name: &'static str,
    columns: &'static str,
    key: usize,
}

fn type_of(letter: char) -> ColumnType {
    match letter {
        'i' => ColumnType::Int32,
        'l' => ColumnType::Int64,
        'm' => MONEY,
        'd' => ColumnType::Date,
        _ => ColumnType::Text,
    }
}

enum Builder {
    Int32(Int32Builder),
    Int64(Int64Builder),
    Money(Decimal128Builder),
    Date(Date32Builder),
    Text(StringViewBuilder),
}

impl Builder {
    fn new(letter: char) -> Self {
        match letter {
            'i' => Builder::Int32(Int32Builder::new()),
            'l' => Builder::Int64(Int64Builder::new()),
            'm' => Builder::Money(Decimal128Builder::new().with_data_type(MONEY.arrow())),
            'd' => Builder::Date(Date32Builder::new()),
            _ => Builder::Text(StringViewBuilder::new()),
        }
    }

    fn push(&mut self, field: &str) {
        match self {
            Builder::Int32(builder) => builder.append_value(field.parse().expect("a number")),
            Builder::Int64(builder) => builder.append_value(field.parse().expect("a number")),
            Builder::Money(builder) => {
                let (units, cents) = field.split_once('.').unwrap_or((field, "00"));
                let digits: i128 = format!("{units}{cents:0<2}").parse().expect("a price");
                builder.append_value(digits);
            }
            Builder::Date(builder) => builder.append_value(days(field)),
            Builder::Text(builder) => builder.append_value(field),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Int32(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::Money(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Counts the days since 1970 of `YYYY-MM-DD`, by the calendar that begins its years in March.
fn days(date: &str) -> i32 {
    let part = |range: std::ops::Range<usize>| -> i32 { date[range].parse().expect("a date") };
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469
}

/// Writes a table both ways; gives the bytes of row groups and of Parquet.
fn write(
    store: &Arc<Store>,
    shape: &Shape,
    rows: impl Iterator<Item = impl Display>,
) -> (u64, u64) {
    let columns = shape
        .columns
        .chars()
        .zip(1..)
        .map(|(letter, id)| ColumnLayout {
            id,
            name: format!("c{id}"),
            ty: type_of(letter),
            encoding: EncodingName::Auto,
            nullable: false,
        });
    let layout = Arc::new(TableLayout {
        columns: columns.collect(),
        sort_key: SortKey::Compound(vec![shape.key]),
    });
    let mut writer = SliceWriter::new(
        store,
        TableId(1),
        SliceId(0),
        Arc::clone(&layout),
        BUFFER_BYTES,
    );
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3).expect("a level"));
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut file = Vec::new();
    let mut parquet: Option<ArrowWriter<&mut Vec<u8>>> = None;
    let mut file = Some(&mut file);
    let mut builders: Vec<Builder> = shape.columns.chars().map(Builder::new).collect();
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        for row in rows.by_ref().take(BATCH_ROWS) {
            let row = row.to_string();
            builders
                .iter_mut()
                .zip(row.split('|'))
                .for_each(|(builder, field)| builder.push(field));
        }
        let arrays: Vec<ArrayRef> = builders.iter_mut().map(Builder::finish).collect();
        // Plain strings, as most writers of Parquet have them.
        let plain = arrays.iter().map(|array| match array.as_string_view_opt() {
            Some(texts) => Arc::new(texts.iter().collect::<StringArray>()) as ArrayRef,
            None => Arc::clone(array),
        });
        let names = layout.columns.iter().map(|column| column.name.as_str());
        let plain = RecordBatch::try_from_iter(names.zip(plain)).expect("columns");
        if let Some(file) = file.take() {
            let writer = ArrowWriter::try_new(file, plain.schema(), Some(properties.clone()));
            parquet = Some(writer.expect("a writer"));
        }
        if let Some(parquet) = &mut parquet {
            parquet.write(&plain).expect("rows");
        }
        let batch = RecordBatch::try_new(layout.arrow_schema(), arrays).expect("columns");
        writer.write(batch).expect("rows that fit");
    }
    let written = writer.finish().expect("written");
    let own = written.iter().map(|record| record.file_bytes).sum();
    store.discard(&written, &[]);
    let parquet = parquet.map_or(0, |mut parquet| {
        parquet.finish().expect("a file");
        parquet.bytes_written() as u64
    });
    println!("{:<10} {own:>12} {parquet:>12}", shape.name);
    (own, parquet)
}

fn main() {
    let scale = std::env::args()
        .find_map(|word| word.parse().ok())
        .unwrap_or(1.0);
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(StoreOptions {
        dir: dir.path().join("data"),
        cache_bytes: 1 << 20,
        slice_count: 1,
        sync: false,
    });
    let store = store.expect("a store");
    let shape = |name, columns, key| Shape { name, columns, key };
    println!("table        row groups      parquet");
    let sizes = [
        write(
            &store,
            &shape("region", "itt", 0),
            RegionGenerator::new(scale, 1, 1).iter(),
        ),
        write(
            &store,
            &shape("nation", "itit", 0),
            NationGenerator::new(scale, 1, 1).iter(),
        ),
        write(
            &store,
            &shape("supplier", "ittitmt", 0),
            SupplierGenerator::new(scale, 1, 1).iter(),
        ),
        write(
            &store,
            &shape("customer", "ittitmtt", 0),
            CustomerGenerator::new(scale, 1, 1).iter(),
        ),
        write(
            &store,
            &shape("part", "ittttitmt", 0),
            PartGenerator::new(scale, 1, 1).iter(),
        ),
        write(
            &store,
            &shape("partsupp", "iiimt", 0),
            PartSuppGenerator::new(scale, 1, 1).iter(),
        ),
        write(
            &store,
            &shape("orders", "litmdttit", 4),
            OrderGenerator::new(scale, 1, 1).iter(),
        ),
        write(
            &store,
            &shape("lineitem", "liiimmmmttdddttt", 10),
            LineItemGenerator::new(scale, 1, 1).iter(),
        ),
    ];
    let (own, parquet) = sizes
        .iter()
        .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
    println!("all        {own:>12} {parquet:>12}");
}
