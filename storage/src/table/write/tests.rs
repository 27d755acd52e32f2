//! What a writer refuses before anything is written.

use super::*;
use crate::io::Memory;
use crate::schema::{ColumnLayout, ColumnType, EncodingName};
use crate::store::StoreOptions;
use arrow_array::{Int64Array, StringViewArray};
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
        sort_key: crate::schema::SortKey::Compound(vec![0]),
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

#[test]
fn text_that_pins_a_large_buffer_is_copied() {
    let long = "x".repeat(100_000);
    let all: ArrayRef = Arc::new(StringViewArray::from(vec![
        long.as_str(),
        "a value of text",
    ]));
    let compacted = compact(&all.slice(1, 1));
    let pinned = |array: &ArrayRef| {
        array
            .as_string_view()
            .data_buffers()
            .iter()
            .map(|buffer| buffer.len())
            .sum::<usize>()
    };
    assert!(pinned(&compacted) < 100, "{}", pinned(&compacted));
    assert_eq!(compacted.as_string_view().value(0), "a value of text");
    assert!(pinned(&compact(&all)) > 100_000, "not worth a copy");
}

#[test]
fn nothing_written_is_nothing_to_commit() {
    assert!(writer(true).finish().unwrap().is_empty());
}
