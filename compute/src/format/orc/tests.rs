use super::*;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;
use orc_rust::arrow_writer::ArrowWriterBuilder;
use orc_rust::compression::CompressionType;
use std::ops::Range;
use std::sync::Arc;

fn batch(rows: i64) -> RecordBatch {
    let each = |row: i64| (row % 7 != 3).then_some(row);
    let texts = (0..rows).map(|row| each(row).map(|row| format!("text {}", row % 50)));
    let texts: Vec<Option<String>> = texts.collect();
    let bytes = texts.iter().map(|text| text.as_deref().map(str::as_bytes));
    RecordBatch::try_from_iter_with_nullable([
        (
            "l",
            Arc::new((0..rows).map(each).collect::<Int64Array>()) as ArrayRef,
            true,
        ),
        (
            "i",
            Arc::new(
                (0..rows)
                    .map(|row| Some(-row as i32))
                    .collect::<Int32Array>(),
            ),
            true,
        ),
        (
            "f",
            Arc::new(
                (0..rows)
                    .map(|row| each(row).map(|row| row as f64 / 3.0))
                    .collect::<Float64Array>(),
            ),
            true,
        ),
        (
            "s",
            Arc::new(texts.iter().map(Option::as_deref).collect::<StringArray>()),
            true,
        ),
        ("b", Arc::new(bytes.collect::<BinaryArray>()), true),
        (
            "o",
            Arc::new(
                (0..rows)
                    .map(|row| each(row).map(|row| row % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
            true,
        ),
    ])
    .expect("a batch")
}

fn written(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut builder =
        ArrowWriterBuilder::new(&mut bytes, batch.schema()).with_stripe_byte_size(64 << 10);
    if let Some(compression) = compression {
        builder = builder.with_compression(compression);
    }
    let mut writer = builder.try_build().expect("a writer");
    for start in (0..batch.num_rows()).step_by(1_000) {
        let count = 1_000.min(batch.num_rows() - start);
        writer.write(&batch.slice(start, count)).expect("write");
    }
    writer.close().expect("close");
    bytes
}

fn read(
    bytes: &[u8],
    columns: &[usize],
    replacement: Option<u8>,
) -> Result<Vec<RecordBatch>, String> {
    let part = |range: &Range<u64>| -> Result<Bytes, String> {
        let range = range.start as usize..range.end as usize;
        let part = bytes.get(range).ok_or("a range behind the file")?;
        Ok(Bytes::copy_from_slice(part))
    };
    let needed = tail_bytes(bytes)?;
    if needed > bytes.len() as u64 {
        return Err("short".to_owned());
    }
    let file = File::parse(&bytes[bytes.len() - needed as usize..], bytes.len() as u64)?;
    let mut batches = Vec::new();
    for stripe in file.stripes() {
        let footer = part(&footer_range(stripe)?)?;
        let plan = file.plan(stripe, &footer, columns)?;
        let fetched = plan
            .ranges()
            .iter()
            .map(part)
            .collect::<Result<Vec<_>, _>>()?;
        let mut reader = file.open(plan, &fetched, replacement, 500)?;
        while let Some(batch) = reader.next_batch()? {
            batches.push(batch);
        }
    }
    Ok(batches)
}

fn shown(batches: &[RecordBatch]) -> String {
    let schema = batches.first().expect("a batch").schema();
    let all = concat_batches(&schema, batches).expect("one batch");
    pretty_format_batches(&[all]).expect("a table").to_string()
}

#[test]
fn files_of_all_compressions_are_read() {
    let batch = batch(5_000);
    for compression in [
        None,
        Some(CompressionType::Zlib),
        Some(CompressionType::Snappy),
        Some(CompressionType::Lz4),
        Some(CompressionType::Zstd),
    ] {
        let bytes = written(&batch, compression);
        let all: Vec<usize> = (0..6).collect();
        let found = read(&bytes, &all, None).expect("rows");
        assert!(
            shown(&found) == shown(std::slice::from_ref(&batch)),
            "{compression:?}"
        );
        let some = read(&bytes, &[3, 1], None).expect("rows");
        let expected = batch.project(&[1, 3]).expect("columns");
        assert!(shown(&some) == shown(&[expected]), "{compression:?}");
        let none = read(&bytes, &[], None).expect("rows");
        assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 5_000);
    }
}

#[test]
fn texts_that_are_none_are_replaced() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["plain", "a?b", "\u{e4}"]));
    let batch = RecordBatch::try_from_iter([("s", texts)]).expect("a batch");
    let mut bytes = written(&batch, None);
    let place = bytes
        .windows(3)
        .position(|text| text == b"a?b")
        .expect("the text");
    bytes[place + 1] = 0xff;
    assert!(read(&bytes, &[0], None).is_err());
    let found = read(&bytes, &[0], Some(b'#')).expect("rows");
    assert!(shown(&found).contains("a#b"));
}

#[test]
fn damage_is_told() {
    let small = batch(300);
    for compression in [
        None,
        Some(CompressionType::Zstd),
        Some(CompressionType::Snappy),
    ] {
        let bytes = written(&small, compression);
        let all: Vec<usize> = (0..6).collect();
        for place in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[place] ^= 0x55;
            // Whatever is read, reading ends, and without taking the process with it.
            let _ = read(&wrong, &all, None);
        }
        for length in (0..bytes.len()).step_by(7) {
            assert!(read(&bytes[..length], &all, None).is_err(), "{length}");
        }
    }
}
