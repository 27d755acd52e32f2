//! Columns read here beside the engine's reader, over files that its writer makes in many ways.

use super::column::{Column, ColumnPlan};
use super::values::Kind;
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt16Array, UInt32Array,
};
use arrow::compute::{cast, concat, take};
use arrow_schema::DataType;
use bytes::Bytes;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::metadata::ParquetMetaDataReader;
use datafusion::parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;
use std::sync::Arc;

/// Some rows of every kind of column, with few values or many, nulls or none.
fn batch(numbers: &[Option<i64>]) -> RecordBatch {
    let all = || numbers.iter().copied();
    let text = |number: i64| match number % 3 {
        0 => format!("{number}"),
        1 => format!("a longer text with ä, {number}"),
        _ => String::new(),
    };
    let texts: Vec<Option<String>> = all().map(|number| number.map(text)).collect();
    let bytes: Vec<Option<Vec<u8>>> = all()
        .map(|number| number.map(|one| one.to_le_bytes().to_vec()))
        .collect();
    let decimal = |precision| {
        let values: Decimal128Array = all()
            .map(|one| one.map(|one| i128::from(one % 99_999)))
            .collect();
        let values = values.with_precision_and_scale(precision, 2);
        Arc::new(values.expect("a decimal")) as ArrayRef
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "i8",
            Arc::new(
                all()
                    .map(|one| one.map(|one| one as i8))
                    .collect::<Int8Array>(),
            ),
        ),
        (
            "i32",
            Arc::new(
                all()
                    .map(|one| one.map(|one| one as i32))
                    .collect::<Int32Array>(),
            ),
        ),
        ("i64", Arc::new(all().collect::<Int64Array>())),
        (
            "u16",
            Arc::new(
                all()
                    .map(|one| one.map(|one| one as u16))
                    .collect::<UInt16Array>(),
            ),
        ),
        (
            "date",
            Arc::new(
                all()
                    .map(|one| one.map(|one| one as i32))
                    .collect::<Date32Array>(),
            ),
        ),
        ("at", Arc::new(all().collect::<TimestampMicrosecondArray>())),
        (
            "f32",
            Arc::new(
                all()
                    .map(|one| one.map(|one| one as f32))
                    .collect::<Float32Array>(),
            ),
        ),
        (
            "f64",
            Arc::new(
                all()
                    .map(|one| one.map(|one| one as f64))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "flag",
            Arc::new(
                all()
                    .map(|one| one.map(|one| one % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
        ),
        ("d9", decimal(9)),
        ("d18", decimal(18)),
        ("d38", decimal(38)),
        (
            "text",
            Arc::new(texts.iter().map(Option::as_deref).collect::<StringArray>()),
        ),
        (
            "bytes",
            Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>()),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| {
        let is_nullable = array.null_count() > 0;
        (name, array, is_nullable)
    }))
    .expect("a batch")
}

/// How a file is written.
#[derive(Clone, Debug)]
struct Way {
    has_dictionary: bool,
    is_second: bool,
    page_rows: usize,
    compression: Compression,
}

fn ways() -> impl Strategy<Value = Way> {
    let compressions = prop::sample::select(vec![
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::GZIP(Default::default()),
    ]);
    (any::<bool>(), any::<bool>(), 1_usize..60, compressions).prop_map(
        |(has_dictionary, is_second, page_rows, compression)| Way {
            has_dictionary,
            is_second,
            page_rows,
            compression,
        },
    )
}

fn write(batch: &RecordBatch, way: &Way) -> Bytes {
    let version = match way.is_second {
        true => WriterVersion::PARQUET_2_0,
        false => WriterVersion::PARQUET_1_0,
    };
    let mut properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_dictionary_enabled(way.has_dictionary)
        .set_dictionary_page_size_limit(400)
        .set_data_page_row_count_limit(way.page_rows)
        .set_write_batch_size(way.page_rows)
        .set_compression(way.compression);
    // What the second version writes by itself is left to the engine's reader.
    for column in batch.schema().fields() {
        if *column.data_type() != DataType::Boolean {
            properties =
                properties.set_column_encoding(column.name().as_str().into(), Encoding::PLAIN);
        }
    }
    let mut out = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut out, batch.schema(), Some(properties.build())).expect("a writer");
    writer.write(batch).expect("rows");
    writer.close().expect("a file");
    out.into()
}

/// Opens each column of the only row group that is read here.
fn columns(file: &Bytes) -> Vec<(usize, Column, DataType)> {
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(file)
        .expect("a footer");
    let described = metadata.file_metadata().schema_descr();
    let schema = parquet_to_arrow_schema(described, None).expect("a schema");
    let group = metadata.row_group(0);
    let opened = schema.fields().iter().enumerate().map(|(leaf, field)| {
        let plain = field.data_type();
        let wanted = match plain {
            DataType::Utf8 => DataType::Utf8View,
            DataType::Binary => DataType::BinaryView,
            other => other.clone(),
        };
        let described = described.column(leaf);
        let chunk = group.column(leaf);
        let plan = ColumnPlan {
            kind: Kind::of(&described, plain, &wanted).expect("a flat column"),
            has_nulls: described.max_def_level() == 1,
            codec: chunk.compression_codec(),
        };
        let (begin, bytes) = chunk.byte_range();
        let chunk = file.slice(begin as usize..(begin + bytes) as usize);
        let column = Column::open(&plan, &chunk, group.num_rows() as usize).expect("a column");
        (leaf, column, plain.clone())
    });
    opened.collect()
}

fn expected(file: &Bytes) -> RecordBatch {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options)
        .expect("a reader");
    let batches: Vec<RecordBatch> = builder
        .build()
        .expect("a reader")
        .map(|batch| batch.expect("rows"))
        .collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).expect("rows")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn columns_are_read_as_the_engine_reads_them(
        numbers in prop::collection::vec(prop::option::weighted(0.8, 0_i64..90), 1..400),
        is_wide: bool,
        has_nulls: bool,
        way in ways(),
        windows in prop::collection::vec((1_usize..150, prop::option::of(1_usize..40)), 1..12),
    ) {
        let numbers: Vec<Option<i64>> = numbers.iter().map(|number| {
            let number = number.map(|one| if is_wide { one.wrapping_mul(7_777_777_777) } else { one });
            if has_nulls { number } else { number.or(Some(3)) }
        }).collect();
        let file = write(&batch(&numbers), &way);
        let expected = expected(&file);
        for (leaf, mut column, plain) in columns(&file) {
            let whole = expected.column(leaf);
            let mut row = 0;
            for (rows, step) in windows.iter().cycle().take(500) {
                let end = (row + rows).min(numbers.len());
                let Some(step) = step else {
                    // A window that nobody asks for.
                    row = end;
                    continue;
                };
                let places: Vec<u32> = (0..(end - row) as u32).step_by(*step).collect();
                let picked = (*step > 1).then_some(places.as_slice());
                let found = column.take(row..end, picked).expect("values");
                let found = cast(&found, &plain).expect("values");
                let whole = whole.slice(row, end - row);
                let wanted = take(&whole, &UInt32Array::from(places), None).expect("values");
                prop_assert_eq!(&found, &wanted, "column {} rows {}..{}", leaf, row, end);
                row = end;
                if row == numbers.len() {
                    break;
                }
            }
        }
    }

    #[test]
    fn codes_are_those_of_the_dictionary(
        numbers in prop::collection::vec(prop::option::weighted(0.8, 0_i64..9), 1..400),
        page_rows in 1_usize..60,
    ) {
        let way = Way { has_dictionary: true, is_second: false, page_rows, compression: Compression::SNAPPY };
        let file = write(&batch(&numbers), &way);
        let expected = expected(&file);
        for (leaf, mut column, plain) in columns(&file) {
            let Some(dictionary) = column.dictionary().expect("values") else {
                continue;
            };
            let mut parts: Vec<ArrayRef> = Vec::new();
            for begin in (0..numbers.len()).step_by(70) {
                let end = numbers.len().min(begin + 70);
                let codes = column.codes(begin..end).expect("codes").to_vec();
                let values = take(&dictionary, &UInt32Array::from(codes), None).expect("values");
                parts.push(cast(&values, &plain).expect("values"));
            }
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            prop_assert_eq!(&concat(&parts).expect("values"), expected.column(leaf));
        }
    }

    #[test]
    fn damaged_chunks_are_refused_or_read(
        numbers in prop::collection::vec(prop::option::weighted(0.8, 0_i64..90), 1..100),
        way in ways(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let file = write(&batch(&numbers), &way);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).expect("a footer");
        let group = metadata.row_group(0);
        for (leaf, field) in parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None).unwrap().fields().iter().enumerate() {
            let chunk = group.column(leaf);
            let (begin, bytes) = chunk.byte_range();
            let mut damaged = file[begin as usize..(begin + bytes) as usize].to_vec();
            for (place, byte) in &places {
                let place = place.index(damaged.len());
                damaged[place] = *byte;
            }
            let wanted = match field.data_type() {
                DataType::Utf8 => DataType::Utf8View,
                DataType::Binary => DataType::BinaryView,
                other => other.clone(),
            };
            let described = metadata.file_metadata().schema_descr().column(leaf);
            let plan = ColumnPlan {
                kind: Kind::of(&described, field.data_type(), &wanted).expect("a flat column"),
                has_nulls: described.max_def_level() == 1,
                codec: chunk.compression_codec(),
            };
            if let Ok(mut column) = Column::open(&plan, &damaged.into(), numbers.len()) {
                let _read_or_refused = column.take(0..numbers.len(), None);
            }
        }
    }
}
