//! Row -> slice. The placement hash is the engine's own repartition hash, so that stored rows lie where a
//! shuffle would send them; a stored fingerprint guards against a change of that hash.
//!
//! Three parts of the engine rely on the two being equal: one-sided redistribution, joins of shuffled rows with
//! a stored table, and join filters, which route each probe row by the hash. A table whose rows lie elsewhere
//! silently loses rows; the test `rows_placed_by_another_hash_are_lost_unless_the_guard_holds` keeps that on
//! record.

use crate::error::{Error, Result};
use arrow::array::{
    ArrayRef, AsArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use blueshift_storage::statistics::key::{canonical_f32, canonical_f64};
use datafusion::common::hash_utils::create_hashes;
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use std::sync::Arc;

/// How the rows of a table choose a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Round robin.
    Even,
    /// By the hash of this column (index in the table).
    Key(usize),
    /// One copy per node, on its first slice.
    All,
}

/// Computes the fingerprint of today's placement hash: the hashes of a fixed vector of values per type.
///
/// Text of up to 12 bytes is hashed as its 16-byte view and longer text by its bytes, so both are in the vector.
pub fn fingerprint() -> u64 {
    fixed_values().iter().fold(0xB1E5, |sum: u64, array| {
        let mut hashes = vec![0_u64; array.len()];
        // A type the engine no longer hashes counts as a change.
        let hashed = create_hashes(
            [array],
            REPARTITION_RANDOM_STATE.random_state(),
            &mut hashes,
        );
        let part = hashed.map_or(1, |hashes| {
            hashes.iter().fold(7_u64, |part, hash| {
                part.rotate_left(11).wrapping_mul(31) ^ hash
            })
        });
        sum.rotate_left(17).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ part
    })
}

/// One array per arrow type a distribution key may have, nulls and extremes included.
fn fixed_values() -> Vec<ArrayRef> {
    let text = [
        Some(""),
        Some("twelve bytes"),
        Some("more than twelve bytes of text"),
        None,
    ];
    let wide = [
        Some(0),
        Some(-1),
        Some(i128::MAX),
        Some(10_i128.pow(37)),
        None,
    ];
    let long = [
        Some(0),
        Some(1),
        Some(-1),
        Some(i64::MAX),
        Some(i64::MIN),
        None,
    ];
    let decimal = |digits, scale| {
        // The precision is within range for these values; on a refusal the default type is hashed instead.
        let values = Decimal128Array::from(wide.to_vec());
        values
            .clone()
            .with_precision_and_scale(digits, scale)
            .unwrap_or(values)
    };
    vec![
        Arc::new(BooleanArray::from(vec![Some(false), Some(true), None])),
        Arc::new(Int16Array::from(vec![
            Some(0),
            Some(-7),
            Some(i16::MAX),
            None,
        ])),
        Arc::new(Int32Array::from(vec![
            Some(0),
            Some(-7),
            Some(i32::MAX),
            None,
        ])),
        Arc::new(Int64Array::from(long.to_vec())),
        Arc::new(decimal(38, 0)),
        Arc::new(Date32Array::from(vec![
            Some(0),
            Some(20_000),
            Some(-1),
            None,
        ])),
        Arc::new(Time64MicrosecondArray::from(vec![
            Some(0),
            Some(86_399_999_999),
            None,
        ])),
        Arc::new(TimestampMicrosecondArray::from(long.to_vec())),
        Arc::new(TimestampMicrosecondArray::from(long.to_vec()).with_timezone("UTC")),
        Arc::new(StringViewArray::from(text.to_vec())),
        Arc::new(BinaryViewArray::from_iter(
            text.iter().map(|value| value.map(str::as_bytes)),
        )),
    ]
}

/// Appends the slice of each row: `hash(key) % slice_count`; null keys go to slice 0. `key` must have
/// the arrow type a scan of the column emits (text as `Utf8View`).
pub fn slices_of_rows(key: &ArrayRef, slice_count: u32, slices: &mut Vec<u32>) -> Result<()> {
    if slice_count == 0 {
        return Err(Error::Internal(
            "a cluster without slices cannot place rows".to_owned(),
        ));
    }
    let canonical = canonical(key);
    let key = canonical.as_ref().unwrap_or(key);
    let mut hashes = vec![0_u64; key.len()];
    create_hashes([key], REPARTITION_RANDOM_STATE.random_state(), &mut hashes)?;
    let count = u64::from(slice_count);
    // The remainder is below `slice_count`, so it fits.
    slices.extend(hashes.iter().map(|hash| (hash % count) as u32));
    Ok(())
}

/// Gives floats as storage keeps them: a row lies where its stored value is looked for.
fn canonical(key: &ArrayRef) -> Option<ArrayRef> {
    match key.data_type() {
        DataType::Float32 => {
            let array: Float32Array = key.as_primitive::<Float32Type>().unary(canonical_f32);
            Some(Arc::new(array))
        }
        DataType::Float64 => {
            let array: Float64Array = key.as_primitive::<Float64Type>().unary(canonical_f64);
            Some(Arc::new(array))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
