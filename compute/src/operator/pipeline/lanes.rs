//! Columns of whole numbers, dates, times and decimals as 64-bit integers, a vector of rows at a time; and back.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
};
use arrow_schema::{DataType, TimeUnit};
use datafusion::common::{Result, internal_err};
use std::sync::Arc;

/// Rows that are worked on at a time: a few vectors of them stay in the cache next to the core.
pub(super) const VECTOR_ROWS: usize = 2048;

/// Tells whether values of a type are, or may be, 64-bit integers.
pub(super) fn is_whole(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Boolean
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Decimal128(_, _)
            | DataType::Duration(TimeUnit::Microsecond)
            | DataType::Time64(_)
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

/// Reads `rows` values of a column, beginning with row `from`; what stands in place of a null is read as well. Gives
/// false if a decimal does not fit into 64 bits, or for a type that [`is_whole`] does not name.
pub(super) fn load(column: &dyn Array, from: usize, rows: usize, out: &mut Vec<i64>) -> bool {
    fn widen<T>(column: &dyn Array, from: usize, rows: usize, out: &mut Vec<i64>) -> bool
    where
        T: ArrowPrimitiveType,
        i64: From<T::Native>,
    {
        let values = column.as_primitive_opt::<T>().map(PrimitiveArray::values);
        match values.and_then(|values| values.get(from..from + rows)) {
            Some(values) => {
                out.extend(values.iter().map(|value| i64::from(*value)));
                true
            }
            None => false,
        }
    }
    out.clear();
    match column.data_type() {
        DataType::Boolean => match column.as_boolean_opt() {
            Some(bits) => {
                let bits = bits.values().slice(from, rows);
                out.extend(bits.iter().map(i64::from));
                true
            }
            None => false,
        },
        DataType::Int16 => widen::<Int16Type>(column, from, rows, out),
        DataType::Int32 => widen::<Int32Type>(column, from, rows, out),
        DataType::Date32 => widen::<Date32Type>(column, from, rows, out),
        DataType::Int64 => widen::<Int64Type>(column, from, rows, out),
        DataType::Duration(TimeUnit::Microsecond) => {
            widen::<DurationMicrosecondType>(column, from, rows, out)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            widen::<Time64MicrosecondType>(column, from, rows, out)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            widen::<Time64NanosecondType>(column, from, rows, out)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            widen::<TimestampMicrosecondType>(column, from, rows, out)
        }
        DataType::Decimal128(_, _) => {
            let values = column.as_primitive_opt::<Decimal128Type>();
            match values.and_then(|values| values.values().get(from..from + rows)) {
                Some(values) => narrow(values, out),
                None => false,
            }
        }
        _ => false,
    }
}

/// Appends the lower halves of values, and tells whether the upper ones hold nothing but signs.
fn narrow(values: &[i128], out: &mut Vec<i64>) -> bool {
    let mut lost = 0;
    out.extend(values.iter().map(|value| {
        let low = *value as i64;
        lost |= ((*value >> 64) as i64) ^ (low >> 63);
        low
    }));
    lost == 0
}

/// Makes a column of a type of values; those of nulls are not looked at.
pub(super) fn column_of(
    ty: &DataType,
    values: &[i64],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    fn typed<T: ArrowPrimitiveType>(
        ty: &DataType,
        values: impl Iterator<Item = T::Native>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let values: Vec<T::Native> = values.collect();
        let column = PrimitiveArray::<T>::try_new(values.into(), nulls)?;
        // Precision, scale and zone are not in `T`.
        Ok(Arc::new(column.with_data_type(ty.clone())))
    }
    let whole = values.iter().copied();
    match ty {
        DataType::Boolean => {
            let bits = BooleanBuffer::from_iter(whole.map(|value| value != 0));
            Ok(Arc::new(BooleanArray::new(bits, nulls)))
        }
        DataType::Int16 => typed::<Int16Type>(ty, whole.map(|value| value as i16), nulls),
        DataType::Int32 => typed::<Int32Type>(ty, whole.map(|value| value as i32), nulls),
        DataType::Date32 => typed::<Date32Type>(ty, whole.map(|value| value as i32), nulls),
        DataType::Int64 => typed::<Int64Type>(ty, whole, nulls),
        DataType::Duration(TimeUnit::Microsecond) => {
            typed::<DurationMicrosecondType>(ty, whole, nulls)
        }
        DataType::Time64(TimeUnit::Microsecond) => typed::<Time64MicrosecondType>(ty, whole, nulls),
        DataType::Time64(TimeUnit::Nanosecond) => typed::<Time64NanosecondType>(ty, whole, nulls),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            typed::<TimestampMicrosecondType>(ty, whole, nulls)
        }
        DataType::Decimal128(_, _) => typed::<Decimal128Type>(ty, whole.map(i128::from), nulls),
        other => internal_err!("no column of {other} is made of whole numbers"),
    }
}

/// Gives which values are there of as many, from which are not; `None` if all are.
pub(super) fn nulls_of(is_null: &[bool]) -> Option<NullBuffer> {
    if !is_null.contains(&true) {
        return None;
    }
    Some(is_null.iter().map(|is_null| !is_null).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Decimal128Array;

    #[test]
    fn a_column_comes_back_as_it_was() {
        let values = [3, -1, 0, i64::from(i16::MAX)];
        let types = [
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Date32,
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Decimal128(18, 4),
        ];
        for ty in types {
            assert!(is_whole(&ty));
            let nulls = nulls_of(&[false, true, false, false]);
            let column = column_of(&ty, &values, nulls).unwrap();
            assert_eq!(column.data_type(), &ty);
            assert_eq!(column.null_count(), 1);
            let mut out = Vec::new();
            assert!(load(column.as_ref(), 1, 3, &mut out));
            assert_eq!(out, values[1..]);
        }
    }

    #[test]
    fn wide_decimals_are_refused() {
        let mut out = Vec::new();
        for (value, fits) in [
            (i128::from(i64::MAX), true),
            (i128::from(i64::MIN), true),
            (i128::from(i64::MAX) + 1, false),
            (i128::from(i64::MIN) - 1, false),
            (1 << 64, false),
        ] {
            let column = Decimal128Array::from(vec![0, value]);
            assert_eq!(load(&column, 0, 2, &mut out), fits, "{value}");
        }
    }
}
