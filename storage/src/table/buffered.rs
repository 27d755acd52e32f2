//! The rows a writer holds: the parts of each column as they came, sorted by gathering each column
//! straight from its parts.
//!
//! Benchmark: `benches/micro/write.rs`.

use super::order;
use crate::error::Result;
use crate::schema::SortKey;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, UInt32Array,
    downcast_primitive,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_select::concat::concat;
use arrow_select::take::take;
use std::sync::Arc;

/// Batches, turned into the parts of each column.
pub(super) struct Buffered {
    batch_rows: Vec<u32>,
    parts: Vec<Vec<ArrayRef>>,
}

/// The order rows are to be written in.
#[derive(Default)]
pub(super) struct Order {
    /// The key columns of the first and of the last row.
    pub(super) ends: Vec<ArrayRef>,
    /// Absent if the rows are in order as they came.
    moved: Option<Moved>,
}

struct Moved {
    /// Rows counted through all batches.
    rows: UInt32Array,
    /// The same rows as batch and row within it.
    places: Vec<(u32, u32)>,
}

impl Buffered {
    /// Takes batches of `column_count` columns.
    pub(super) fn new(column_count: usize, batches: Vec<RecordBatch>) -> Self {
        let batch_rows = batches.iter().map(|batch| batch.num_rows() as u32);
        let batch_rows = batch_rows.collect();
        let mut parts = vec![Vec::with_capacity(batches.len()); column_count];
        for batch in batches {
            for (part, column) in parts.iter_mut().zip(batch.columns()) {
                part.push(Arc::clone(column));
            }
        }
        Self { batch_rows, parts }
    }

    /// Finds the order of all rows, at least one, by `key`.
    pub(super) fn sort(&self, key: &SortKey) -> Result<Order> {
        let indexes = match key {
            SortKey::None => return Ok(Order::default()),
            SortKey::Compound(indexes) | SortKey::Interleaved(indexes) => indexes,
        };
        let key_parts = indexes.iter().filter_map(|index| self.parts.get(*index));
        let columns = key_parts
            .map(|parts| join(parts))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let rows = order::order(key, &columns)?;
        let ends = match &rows {
            Some(rows) => [rows.first().copied(), rows.last().copied()],
            None => [Some(0), self.batch_rows.iter().sum::<u32>().checked_sub(1)],
        };
        let ends = UInt32Array::from_iter_values(ends.into_iter().flatten());
        let ends = columns.iter().map(|column| take(column, &ends, None));
        Ok(Order {
            ends: ends.collect::<Result<_, _>>()?,
            moved: rows.map(|rows| Moved {
                places: places(&self.batch_rows, &rows),
                rows: UInt32Array::from(rows),
            }),
        })
    }

    /// Gives a column in `order` and frees its parts; a second call gives no rows.
    pub(super) fn take_column(&mut self, index: usize, order: &Order) -> Result<ArrayRef> {
        let parts = self.parts.get_mut(index).map(std::mem::take);
        let parts = parts.unwrap_or_default();
        let Some(moved) = &order.moved else {
            return join(&parts);
        };
        let Some(first) = parts.first() else {
            return join(&parts);
        };
        macro_rules! gather_as {
            ($type:ty) => {
                Ok(gather::<$type>(&parts, &moved.places))
            };
        }
        downcast_primitive! {
            first.data_type() => (gather_as),
            // Of texts only the views move; joining them copies no text.
            _ => Ok(take(&join(&parts)?, &moved.rows, None)?)
        }
    }
}

fn join(parts: &[ArrayRef]) -> Result<ArrayRef> {
    if let [only] = parts {
        return Ok(Arc::clone(only));
    }
    let parts: Vec<&dyn Array> = parts.iter().map(|part| &**part).collect();
    Ok(concat(&parts)?)
}

/// Gives batch and row of each of `rows`, which count through all batches.
fn places(batch_rows: &[u32], rows: &[u32]) -> Vec<(u32, u32)> {
    let batches = (0..).zip(batch_rows);
    let all: Vec<(u32, u32)> = batches
        .flat_map(|(batch, rows)| (0..*rows).map(move |row| (batch, row)))
        .collect();
    rows.iter().map(|row| all[*row as usize]).collect()
}

/// Gathers the values at `places`; all `parts` are of one type.
fn gather<T: ArrowPrimitiveType>(parts: &[ArrayRef], places: &[(u32, u32)]) -> ArrayRef {
    let arrays: Vec<&PrimitiveArray<T>> = parts.iter().map(|part| part.as_primitive()).collect();
    let slices: Vec<&[T::Native]> = arrays.iter().map(|array| &array.values()[..]).collect();
    let value = |(part, row): &(u32, u32)| slices[*part as usize][*row as usize];
    let values: Vec<T::Native> = places.iter().map(value).collect();
    let nulls = arrays.iter().any(|array| array.null_count() > 0).then(|| {
        let is_valid = |at: usize| {
            let (part, row) = places[at];
            arrays[part as usize].is_valid(row as usize)
        };
        NullBuffer::new(BooleanBuffer::collect_bool(places.len(), is_valid))
    });
    let array = PrimitiveArray::<T>::new(values.into(), nulls);
    match arrays.first() {
        // Precision, scale and zone are not in `T`.
        Some(first) => Arc::new(array.with_data_type(first.data_type().clone())),
        None => Arc::new(array),
    }
}
