//! The order of rows within a row group: sorting by a compound or an interleaved sort key.
//!
//! Benchmark: `benches/micro/write.rs`. Rows that already are in order are not moved; one integer-like
//! key is counted if its range is narrow, else sorted with the row in the same word; anything else goes
//! through comparable row bytes.

use crate::block::build::build;
use crate::error::Result;
use crate::row_group::KeyRange;
use crate::schema::{ColumnType, EncodingName, SortKey, TableLayout};
use crate::statistics::ColumnSketch;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_row::{OwnedRow, RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};

/// Ascending, nulls last: as `ORDER BY` of the dialect puts them.
const OPTIONS: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

/// Values sampled per column to learn the ranks of an interleaved key.
const SAMPLE_ROWS: usize = 4_096;

/// Columns of an interleaved key at most, as documented.
const INTERLEAVED_COLUMNS_MAX: usize = 8;

/// The key of the last row of a row group, comparable with that of the next one.
pub(crate) type LastKey = OwnedRow;

/// Values of a narrow range are counted: this many at least, where the counts stay in the nearest cache.
const COUNTED_MIN: u64 = 1 << 12;

/// Bits of a digit when integers are sorted digit by digit.
const DIGIT_BITS: u32 = 11;

/// Gives the place of each row in the order by `key`, whose columns are `columns`, with at most `u32::MAX`
/// rows; `None` if they are in order already. Equal keys keep their order.
pub(crate) fn places(key: &SortKey, columns: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
    match key {
        SortKey::None => Ok(None),
        SortKey::Compound(_) => compound_places(columns),
        SortKey::Interleaved(_) => interleaved_places(columns),
    }
}

/// Tells whether the rows between two ends follow `last`, and gives the key of the last of them if so.
/// `ends` holds the key columns of the first and of the last row. `None` for tables without a compound
/// sort key: only that has one order over several row groups.
pub(crate) fn follows(
    key: &SortKey,
    ends: &[ArrayRef],
    last: Option<&LastKey>,
) -> Result<Option<LastKey>> {
    let SortKey::Compound(_) = key else {
        return Ok(None);
    };
    let rows = to_rows(ends)?;
    let in_order = rows.num_rows() == 2 && last.is_none_or(|last| last.row() <= rows.row(0));
    Ok(in_order.then(|| rows.row(1).owned()))
}

/// Gives the leading key of both `ends`, for the commit record; `None` without a compound sort key.
pub(crate) fn key_range(
    key: &SortKey,
    layout: &TableLayout,
    ends: &[ArrayRef],
) -> Result<Option<KeyRange>> {
    let (SortKey::Compound(indexes), Some(leading)) = (key, ends.first()) else {
        return Ok(None);
    };
    let index = indexes.first().copied().unwrap_or_default();
    let Some(column) = layout.columns.get(index) else {
        return Ok(None);
    };
    Ok(Some(KeyRange {
        first: leading_key(column.ty, leading, 0)?,
        last: leading_key(column.ty, leading, 1)?,
    }))
}

/// Gives the zone-map key of one value, read from the zone map of a block of that value alone.
fn leading_key(ty: ColumnType, column: &ArrayRef, row: usize) -> Result<i128> {
    let mut sketch = ColumnSketch::new(ty);
    let built = build(ty, EncodingName::Raw, &*column.slice(row, 1), &mut sketch)?;
    let range = built.zones.first().and_then(|zone| zone.range);
    Ok(range.map_or(KeyRange::NULL, |(key, _)| key))
}

fn to_rows(columns: &[ArrayRef]) -> Result<Rows> {
    let field = |array: &ArrayRef| SortField::new_with_options(array.data_type().clone(), OPTIONS);
    let converter = RowConverter::new(columns.iter().map(field).collect())?;
    Ok(converter.convert_columns(columns)?)
}

/// Gives the places of rows by several columns; `None` if they are in order already.
fn compound_places(columns: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
    if let [only] = columns
        && let Some(keys) = integer_keys(only)
    {
        return Ok(places_of_keys(&keys));
    }
    if columns.is_empty() {
        return Ok(None);
    }
    let rows = to_rows(columns)?;
    let count = rows.num_rows();
    if (1..count).all(|at| rows.row(at - 1) <= rows.row(at)) {
        return Ok(None);
    }
    // The first eight bytes decide most comparisons without a look into the rows.
    let prefix = |at: usize| {
        let mut word = [0; 8];
        let row = rows.row(at);
        let bytes = row.as_ref();
        let shown = bytes.len().min(8);
        word[..shown].copy_from_slice(&bytes[..shown]);
        u64::from_be_bytes(word)
    };
    let mut pairs: Vec<(u64, u32)> = (0..count).map(|at| (prefix(at), at as u32)).collect();
    pairs.sort_unstable_by(|left, right| {
        left.0
            .cmp(&right.0)
            .then_with(|| rows.row(left.1 as usize).cmp(&rows.row(right.1 as usize)))
            .then(left.1.cmp(&right.1))
    });
    Ok(Some(places_of(pairs.into_iter().map(|(_, at)| at))))
}

/// Maps a column to integers of the same order, if it is of a fixed-width type of up to 64 bits.
/// Nulls are the greatest.
fn integer_keys(column: &ArrayRef) -> Option<Vec<u64>> {
    fn keys<T: ArrowPrimitiveType>(column: &ArrayRef) -> Option<Vec<u64>>
    where
        T::Native: TryInto<i64>,
    {
        let array = column.as_primitive::<T>();
        let mut keys = Vec::with_capacity(array.len());
        if array.null_count() == 0 {
            for value in array.values() {
                keys.push(((*value).try_into().ok()? as u64) ^ (1 << 63));
            }
            return Some(keys);
        }
        for value in array.iter() {
            keys.push(match value {
                // The sign bit is flipped so that negative numbers come first.
                Some(value) => (value.try_into().ok()? as u64) ^ (1 << 63),
                None => u64::MAX,
            });
        }
        let greatest = keys
            .iter()
            .zip(0..)
            .any(|(key, at)| *key == u64::MAX && array.is_valid(at));
        // The one value that would be taken for a null.
        (!greatest || array.null_count() == 0).then_some(keys)
    }
    use arrow_schema::TimeUnit::Microsecond;
    match column.data_type() {
        DataType::Int16 => keys::<Int16Type>(column),
        DataType::Int32 => keys::<Int32Type>(column),
        DataType::Int64 => keys::<Int64Type>(column),
        DataType::Date32 => keys::<Date32Type>(column),
        DataType::Time64(Microsecond) => keys::<Time64MicrosecondType>(column),
        DataType::Timestamp(Microsecond, _) => keys::<TimestampMicrosecondType>(column),
        DataType::Decimal128(..) => keys::<Decimal128Type>(column),
        _ => None,
    }
}

/// Gives the places of rows by one integer each; `None` if they are in order already.
fn places_of_keys(keys: &[u64]) -> Option<Vec<u32>> {
    if keys.is_sorted() {
        return None;
    }
    let least = keys.iter().min().copied().unwrap_or_default();
    let greatest = keys.iter().max().copied().unwrap_or_default();
    let range = greatest - least;
    if range < (keys.len() as u64 / 4).max(COUNTED_MIN) {
        return Some(counted_places(keys, least, range as usize + 1));
    }
    // A narrow range leaves room for the row in the same word.
    if range < 1 << 32 {
        let packed = |(key, at): (&u64, u64)| (key - least) << 32 | at;
        let mut words: Vec<u64> = keys.iter().zip(0..).map(packed).collect();
        sort_by_high_bits(&mut words, u64::BITS - range.leading_zeros());
        return Some(places_of(words.into_iter().map(|word| word as u32)));
    }
    let mut pairs: Vec<(u64, u32)> = keys.iter().copied().zip(0..).collect();
    pairs.sort_unstable();
    Some(places_of(pairs.into_iter().map(|(_, at)| at)))
}

/// Places keys of a narrow range by counting how many of each there are.
fn counted_places(keys: &[u64], least: u64, range: usize) -> Vec<u32> {
    let mut next = vec![0_u32; range];
    for key in keys {
        next[(key - least) as usize] += 1;
    }
    let mut sum = 0;
    for count in &mut next {
        sum += std::mem::replace(count, sum);
    }
    let place = |key: &u64| {
        let next = &mut next[(key - least) as usize];
        *next += 1;
        *next - 1
    };
    keys.iter().map(place).collect()
}

/// Sorts words by the `bits` above the lowest 32; words equal there keep their order.
fn sort_by_high_bits(words: &mut Vec<u64>, bits: u32) {
    let mut moved = vec![0; words.len()];
    for shift in (32..32 + bits).step_by(DIGIT_BITS as usize) {
        let digit = |word: u64| (word >> shift) as usize & ((1 << DIGIT_BITS) - 1);
        let mut next = [0_usize; 1 << DIGIT_BITS];
        for word in words.iter() {
            next[digit(*word)] += 1;
        }
        let mut sum = 0;
        for count in &mut next {
            sum += std::mem::replace(count, sum);
        }
        for word in words.iter() {
            let next = &mut next[digit(*word)];
            moved[*next] = *word;
            *next += 1;
        }
        std::mem::swap(words, &mut moved);
    }
}

/// Turns rows in order into the place of each row.
fn places_of(rows: impl ExactSizeIterator<Item = u32>) -> Vec<u32> {
    let mut places = vec![0; rows.len()];
    for (row, place) in rows.zip(0..) {
        places[row as usize] = place;
    }
    places
}

/// Gives the places of rows along a z-curve: each value becomes its rank among sampled quantiles, and
/// the bits of the ranks are interleaved, most significant first.
fn interleaved_places(columns: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
    let columns = columns.get(..INTERLEAVED_COLUMNS_MAX).unwrap_or(columns);
    let Some(first) = columns.first() else {
        return Ok(None);
    };
    let bits = (64 / columns.len()).min(SAMPLE_ROWS.ilog2() as usize);
    let mut curve = vec![0_u64; first.len()];
    for (position, column) in columns.iter().enumerate() {
        let rows = to_rows(std::slice::from_ref(column))?;
        let step = (rows.num_rows() / SAMPLE_ROWS).max(1);
        let mut sample: Vec<_> = rows.iter().step_by(step).collect();
        sample.sort_unstable();
        sample.dedup();
        for (at, word) in curve.iter_mut().enumerate() {
            let row = rows.row(at);
            let below = sample.partition_point(|other| *other < row);
            // Ranks fill all bits, so that no column's leading bits are always zero.
            let rank = (below << bits) / (sample.len() + 1);
            for bit in 0..bits {
                let value = (rank >> (bits - 1 - bit)) as u64 & 1;
                *word |= value << (63 - (bit * columns.len() + position));
            }
        }
    }
    Ok(places_of_keys(&curve))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, Int64Array, StringViewArray, UInt32Array};
    use arrow_ord::sort::{SortColumn, lexsort_to_indices};
    use arrow_select::take::take;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn naive(columns: &[ArrayRef]) -> Vec<ArrayRef> {
        let keys: Vec<SortColumn> = columns
            .iter()
            .map(|values| SortColumn {
                values: Arc::clone(values),
                options: Some(OPTIONS),
            })
            .collect();
        let order = lexsort_to_indices(&keys, None).unwrap();
        columns
            .iter()
            .map(|column| take(column, &order, None).unwrap())
            .collect()
    }

    fn sort(key: &SortKey, columns: &[ArrayRef]) -> Vec<ArrayRef> {
        let Some(places) = places(key, columns).unwrap() else {
            return columns.to_vec();
        };
        let mut order = vec![u32::MAX; places.len()];
        for (row, place) in places.iter().enumerate() {
            order[*place as usize] = row as u32;
        }
        let order = UInt32Array::from(order);
        let sorted = columns.iter().map(|column| take(column, &order, None));
        sorted.collect::<Result<_, _>>().unwrap()
    }

    proptest! {
        #[test]
        fn one_key_sorts_as_the_naive_way(values: Vec<Option<i64>>) {
            let column: ArrayRef = Arc::new(Int64Array::from(values));
            let sorted = sort(&SortKey::Compound(vec![0]), &[Arc::clone(&column)]);
            prop_assert_eq!(sorted, naive(&[column]));
        }

        #[test]
        fn one_key_of_any_range_sorts_as_the_naive_way(
            values in (1_u64..1 << 40).prop_flat_map(|range| prop::collection::vec(0..range, 0..300))
        ) {
            let mut rows: Vec<usize> = (0..values.len()).collect();
            rows.sort_by_key(|row| values[*row]);
            let places = places_of_keys(&values).unwrap_or((0..values.len() as u32).collect());
            for (place, row) in rows.into_iter().enumerate() {
                prop_assert_eq!(places[row] as usize, place);
            }
        }

        #[test]
        fn several_keys_sort_as_the_naive_way(
            values in prop::collection::vec((prop::option::of(0..3_i32), "[ab]{0,9}"), 1..200)
        ) {
            let numbers: ArrayRef = Arc::new(Int32Array::from_iter(values.iter().map(|v| v.0)));
            let texts = values.iter().map(|v| Some(v.1.as_str()));
            let texts: ArrayRef = Arc::new(StringViewArray::from_iter(texts));
            let all = vec![numbers, texts];
            let sorted = sort(&SortKey::Compound(vec![0, 1]), &all);
            prop_assert_eq!(sorted, naive(&all));
        }

        #[test]
        fn an_interleaved_key_keeps_every_row(values: Vec<(i32, i32)>) {
            let left: ArrayRef = Arc::new(Int32Array::from_iter_values(values.iter().map(|v| v.0)));
            let right: ArrayRef = Arc::new(Int32Array::from_iter_values(values.iter().map(|v| v.1)));
            let all = vec![left, right];
            let sorted = sort(&SortKey::Interleaved(vec![0, 1]), &all);
            prop_assert_eq!(naive(&sorted), naive(&all));
        }
    }

    #[test]
    fn an_interleaved_key_keeps_near_rows_near_in_every_column() {
        let left = Int32Array::from_iter_values((0..4_096).map(|at| at / 64));
        let right = Int32Array::from_iter_values((0..4_096).map(|at| at % 64));
        let sorted = sort(
            &SortKey::Interleaved(vec![0, 1]),
            &[Arc::new(left), Arc::new(right)],
        );
        for column in sorted {
            let first = column.slice(0, 1_024);
            let greatest = first
                .as_primitive::<Int32Type>()
                .iter()
                .flatten()
                .max()
                .unwrap();
            assert!(
                greatest < 40,
                "a quarter of the rows spans half of each column: {greatest}"
            );
        }
    }

    #[test]
    fn row_groups_that_follow_each_other_are_told() {
        let key = SortKey::Compound(vec![0]);
        let ends = |values: [i32; 2]| [Arc::new(Int32Array::from(values.to_vec())) as ArrayRef];
        let told = |values, last| follows(&key, &ends(values), last).unwrap();
        let first = told([1, 5], None).unwrap();
        let second = told([5, 9], Some(&first)).unwrap();
        assert!(told([8, 10], Some(&second)).is_none());
        assert!(
            follows(&SortKey::None, &ends([1, 1]), None)
                .unwrap()
                .is_none()
        );
    }
}
