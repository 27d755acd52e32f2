//! Batches that hold their own rows and nothing else, so that what is reserved for them is what they take.
//!
//! A batch may be a view of much more: texts of a whole block, or a slice of the groups of an aggregation.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::DataType;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::Result;
use std::sync::Arc;

/// What a row takes in a hash table at most, beside its columns: a hash and two places, in a table that may have just
/// doubled, and whether something matched.
const TABLE_ROW_BYTES: usize = 40;

/// A batch is copied if it holds so much more than its rows need.
const WASTE_BYTES: usize = 4 << 10;

/// The bytes of a view of a text.
const VIEW_BYTES: usize = 16;

/// Gives what a batch takes until it is part of a hash table: the engine has it twice while it makes one of many.
pub(super) fn cost(batch: &RecordBatch) -> usize {
    2 * get_record_batch_memory_size(batch) + batch.num_rows() * TABLE_ROW_BYTES
}

/// Gives the bytes that a batch holds.
pub(super) fn bytes(batch: &RecordBatch) -> usize {
    get_record_batch_memory_size(batch)
}

/// Copies a batch that holds much more than its rows.
pub(super) fn compacted(batch: RecordBatch) -> Result<RecordBatch> {
    let mut used = 0;
    for column in batch.columns() {
        used += used_bytes(column)?;
    }
    if bytes(&batch) <= used + used / 2 + WASTE_BYTES {
        return Ok(batch);
    }
    let count = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
    taken(&batch, UInt32Array::from_iter_values(0..count))
}

/// Copies some rows of a batch.
pub(super) fn taken(batch: &RecordBatch, rows: UInt32Array) -> Result<RecordBatch> {
    let taken = take_record_batch(batch, &rows)?;
    let columns = taken.columns().iter().map(own_texts).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(
        taken.schema(),
        columns,
        &options,
    )?)
}

fn own_texts(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View if !column.as_string_view().data_buffers().is_empty() => {
            Arc::new(column.as_string_view().gc())
        }
        DataType::BinaryView if !column.as_binary_view().data_buffers().is_empty() => {
            Arc::new(column.as_binary_view().gc())
        }
        _ => Arc::clone(column),
    }
}

fn used_bytes(column: &ArrayRef) -> Result<usize> {
    let views = column.len() * VIEW_BYTES;
    Ok(match column.data_type() {
        DataType::Utf8View => views + column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => views + column.as_binary_view().total_buffer_bytes_used(),
        _ => column.to_data().get_slice_memory_size()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray};
    use arrow_schema::{Field, Schema};

    #[test]
    fn a_slice_of_a_batch_holds_its_rows_only() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("s", DataType::Utf8View, true),
        ]));
        let numbers = Arc::new(Int64Array::from_iter_values(0..10_000));
        let texts = (0..10_000).map(|n| format!("a text that is no short one {n}"));
        let texts = Arc::new(StringViewArray::from_iter_values(texts));
        let whole = RecordBatch::try_new(schema, vec![numbers, texts]).expect("a batch");
        let slice = whole.slice(5_000, 100);
        assert!(bytes(&slice) > 500_000);
        let own = compacted(slice.clone()).expect("copied");
        assert_eq!(own, slice);
        assert!(bytes(&own) < 10_000, "{}", bytes(&own));
        let same = compacted(whole.clone()).expect("kept");
        assert_eq!(bytes(&same), bytes(&whole));
    }
}
