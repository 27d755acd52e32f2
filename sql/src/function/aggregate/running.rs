//! Totals without groups: whole tables, window frames, and DISTINCT.

use super::number::{Total, column, overflow};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow::datatypes::Int64Type;
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::Accumulator;
use datafusion_functions_aggregate_common::utils::GenericDistinctBuffer;
use std::mem::size_of_val;

/// How a total and a count become the result.
pub(super) type Finish<S, O> =
    fn(<S as ArrowPrimitiveType>::Native, i64) -> <O as ArrowPrimitiveType>::Native;

/// Adds values of type `T` in `S`; the result is an `O`.
#[derive(Debug)]
pub(super) struct Running<T: ArrowPrimitiveType, S: ArrowPrimitiveType, O: ArrowPrimitiveType> {
    total: S::Native,
    count: i64,
    /// The type of the total, with its precision and scale.
    total_type: DataType,
    result_type: DataType,
    finish: Finish<S, O>,
    argument: std::marker::PhantomData<fn(T)>,
}

impl<T: ArrowPrimitiveType, S: Total, O: ArrowPrimitiveType> Running<T, S, O> {
    pub(super) fn new(total_type: DataType, result_type: DataType, finish: Finish<S, O>) -> Self {
        Self {
            total: S::Native::default(),
            count: 0,
            total_type,
            result_type,
            finish,
            argument: std::marker::PhantomData,
        }
    }
}

/// Passes the values that are not null to `each`, and tells whether one of them overflowed.
fn fold<T: ArrowPrimitiveType>(
    values: &[ArrayRef],
    mut each: impl FnMut(T::Native) -> bool,
) -> Result<(i64, bool)> {
    let array = column::<T>(values)?;
    let mut overflowed = false;
    if array.null_count() == 0 {
        for value in array.values() {
            overflowed |= each(*value);
        }
    } else {
        for value in array.iter().flatten() {
            overflowed |= each(value);
        }
    }
    let count = array.len() - array.null_count();
    Ok((i64::try_from(count).unwrap_or(i64::MAX), overflowed))
}

impl<T, S, O> Accumulator for Running<T, S, O>
where
    T: ArrowPrimitiveType + std::fmt::Debug,
    S: Total + std::fmt::Debug,
    S::Native: From<T::Native>,
    O: ArrowPrimitiveType + std::fmt::Debug,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut total = self.total;
        let (count, overflowed) =
            fold::<T>(values, |value| S::add(&mut total, S::Native::from(value)))?;
        self.total = total;
        self.count += count;
        if overflowed {
            return Err(overflow(&self.total_type));
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut total = self.total;
        let (count, overflowed) = fold::<T>(values, |value| {
            S::subtract(&mut total, S::Native::from(value))
        })?;
        self.total = total;
        self.count -= count;
        if overflowed {
            return Err(overflow(&self.total_type));
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if !S::fits(self.total) {
            return Err(overflow(&self.total_type));
        }
        let value = (self.count > 0).then(|| (self.finish)(self.total, self.count));
        ScalarValue::new_primitive::<O>(value, &self.result_type)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Int64(Some(self.count)),
            ScalarValue::new_primitive::<S>(Some(self.total), &self.total_type)?,
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (counts, totals) = states.split_at(1.min(states.len()));
        let mut count = 0;
        fold::<Int64Type>(counts, |rows| {
            count += rows;
            false
        })?;
        let mut total = self.total;
        let (_, overflowed) = fold::<S>(totals, |value| S::add(&mut total, value))?;
        self.total = total;
        self.count += count;
        if overflowed {
            return Err(overflow(&self.total_type));
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// Keeps the different values of type `T` and adds them at the end.
#[derive(Debug)]
pub(super) struct Distinct<T: ArrowPrimitiveType, S: ArrowPrimitiveType, O: ArrowPrimitiveType> {
    values: GenericDistinctBuffer<T>,
    total_type: DataType,
    result_type: DataType,
    finish: Finish<S, O>,
}

impl<T: ArrowPrimitiveType, S: Total, O: ArrowPrimitiveType> Distinct<T, S, O> {
    pub(super) fn new(
        argument_type: DataType,
        total_type: DataType,
        result_type: DataType,
        finish: Finish<S, O>,
    ) -> Self {
        Self {
            values: GenericDistinctBuffer::new(argument_type),
            total_type,
            result_type,
            finish,
        }
    }
}

impl<T, S, O> Accumulator for Distinct<T, S, O>
where
    T: ArrowPrimitiveType + std::fmt::Debug,
    S: Total + std::fmt::Debug,
    S::Native: From<T::Native>,
    O: ArrowPrimitiveType + std::fmt::Debug,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = S::Native::default();
        for value in &self.values.values {
            if S::add(&mut total, S::Native::from(value.0)) {
                return Err(overflow(&self.total_type));
            }
        }
        if !S::fits(total) {
            return Err(overflow(&self.total_type));
        }
        let count = i64::try_from(self.values.values.len()).unwrap_or(i64::MAX);
        let value = (count > 0).then(|| (self.finish)(total, count));
        ScalarValue::new_primitive::<O>(value, &self.result_type)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.size()
    }
}
