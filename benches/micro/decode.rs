//! Decoding on one core: bit-packed integers, dictionary texts, symbols and prices, in gigabytes of
//! decoded values a second of that core's time, beside the `parquet` crate on the same columns; and
//! decoding of one row in a hundred, beside decoding of all.
//!
//! `cargo bench -p blueshift-benches --bench decode`

mod cpu_time;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray,
};
use blueshift_storage::block::Block;
use blueshift_storage::block::build::build;
use blueshift_storage::block::vector::{ColumnVector, Picks};
use blueshift_storage::layout::row_group::ZONE_ROWS;
use blueshift_storage::statistics::ColumnSketch;
use blueshift_storage::{ColumnType, EncodingName};
use bytes::Bytes;
use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tpchgen::generators::{LineItem, LineItemGenerator};

/// Sixteen zones: what a block of integers holds.
const ROWS: usize = 16 * ZONE_ROWS;
/// One in so many rows is kept by the selective scan.
const KEPT: usize = 100;

struct Column {
    name: &'static str,
    ty: ColumnType,
    values: ArrayRef,
    /// Bytes of its values, without views and offsets.
    bytes: usize,
}

impl Column {
    fn fixed(name: &'static str, ty: ColumnType, values: ArrayRef) -> Self {
        let bytes = values.len() * 8;
        Column {
            name,
            ty,
            values,
            bytes,
        }
    }

    fn text(name: &'static str, texts: Vec<String>) -> Self {
        let bytes = texts.iter().map(String::len).sum();
        Column {
            name,
            ty: ColumnType::Text,
            values: Arc::new(StringViewArray::from_iter_values(texts)),
            bytes,
        }
    }

    fn vectors(&self) -> Vec<ColumnVector> {
        let mut sketch = ColumnSketch::default();
        let built = build(self.ty, EncodingName::Auto, &self.values, &mut sketch).expect("a block");
        println!(
            "{}: encoding {}, {} bytes for {}",
            self.name,
            built.encoding,
            built.bytes.len(),
            self.bytes
        );
        let block = Arc::new(Block::open(self.ty, built.bytes.into()).expect("a block"));
        let zones = 0..ROWS / ZONE_ROWS;
        zones
            .map(|zone| ColumnVector::new(Arc::clone(&block), zone).expect("a zone"))
            .collect()
    }

    /// The same values in a Parquet file of one row group, with its defaults but for zstd.
    fn parquet(&self) -> Bytes {
        // Plain strings: parquet reads views only where its schema says so.
        let values: ArrayRef = match self.values.as_any().downcast_ref::<StringViewArray>() {
            Some(texts) => Arc::new(texts.iter().collect::<StringArray>()),
            None => Arc::clone(&self.values),
        };
        let batch = RecordBatch::try_from_iter([("c", values)]).expect("a column");
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(zstd).build();
        let mut file = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("a file");
        file.into()
    }
}

/// Decodes the picked rows of all zones into buffers that are used again.
#[derive(Default)]
struct Reader {
    fixed: Vec<i64>,
    views: Vec<u128>,
    buffers: Vec<arrow_buffer::Buffer>,
}

impl Reader {
    fn read(&mut self, ty: ColumnType, vectors: &[ColumnVector], picks: Picks<'_>) {
        for vector in vectors {
            if ty == ColumnType::Text {
                self.views.clear();
                self.buffers.clear();
                vector.texts(picks, &mut self.buffers, &mut self.views);
                black_box(&self.views);
            } else {
                self.fixed.clear();
                vector.fixed(picks, &mut self.fixed);
                black_box(&self.fixed);
            }
        }
    }
}

fn columns() -> Vec<Column> {
    let generator = LineItemGenerator::new(1.0, 1, 1);
    let items: Vec<LineItem<'_>> = generator.iter().take(ROWS).collect();
    let keys = Int64Array::from_iter_values(items.iter().map(|item| item.l_partkey));
    let cents = |item: &LineItem<'_>| item.l_extendedprice.into_inner() as f64 / 100.0;
    let prices = Float64Array::from_iter_values(items.iter().map(cents));
    let text = |of: &dyn Fn(&LineItem<'_>) -> String| items.iter().map(of).collect();
    vec![
        Column::fixed("int64", ColumnType::Int64, Arc::new(keys)),
        Column::fixed("prices", ColumnType::Float64, Arc::new(prices)),
        Column::text("dictionary", text(&|item| item.l_shipinstruct.to_string())),
        Column::text("comments", text(&|item| item.l_comment.to_string())),
    ]
}

fn decode(criterion: &mut Criterion<CpuTime>) {
    let picks: Vec<u16> = (0..ZONE_ROWS as u16).step_by(KEPT).collect();
    for column in columns() {
        let mut group = criterion.benchmark_group(column.name);
        group
            .sample_size(20)
            .measurement_time(Duration::from_secs(2))
            .throughput(Throughput::BytesDecimal(column.bytes as u64));
        let vectors = column.vectors();
        let mut reader = Reader::default();
        group.bench_function("all", |bencher| {
            bencher.iter(|| reader.read(column.ty, &vectors, Picks::All));
        });
        group.bench_function("one in a hundred", |bencher| {
            bencher.iter(|| reader.read(column.ty, &vectors, Picks::Rows(&picks)));
        });
        let file = column.parquet();
        println!("{}: {} bytes of parquet", column.name, file.len());
        group.bench_function("parquet", |bencher| {
            bencher.iter(|| {
                let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone());
                let reader = reader.expect("a file").with_batch_size(ZONE_ROWS);
                for batch in reader.build().expect("a reader") {
                    black_box(batch.expect("a batch"));
                }
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = decode
}
criterion_main!(benches);
