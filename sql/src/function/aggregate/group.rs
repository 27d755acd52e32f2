//! Totals of many groups at once: one total and one count per group, in flat vectors.
//!
//! This is the hot loop of every GROUP BY. Overflow is collected in one flag and looked at once per batch.

use super::number::{Total, column, overflow};
use super::running::Finish;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int64Type;
use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::accumulate::accumulate;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filtered_null_mask;
use std::sync::Arc;

/// Adds values of type `T` in `S` per group; the result is an `O`.
#[derive(Debug)]
pub(super) struct Grouped<T, S: ArrowPrimitiveType, O: ArrowPrimitiveType> {
    totals: Vec<S::Native>,
    /// Values that were not null; a group without is null.
    counts: Vec<i64>,
    /// The type of the totals, with their precision and scale.
    total_type: DataType,
    result_type: DataType,
    finish: Finish<S, O>,
    argument: std::marker::PhantomData<fn(T)>,
}

impl<T, S: Total, O: ArrowPrimitiveType> Grouped<T, S, O> {
    pub(super) fn new(total_type: DataType, result_type: DataType, finish: Finish<S, O>) -> Self {
        Self {
            totals: Vec::new(),
            counts: Vec::new(),
            total_type,
            result_type,
            finish,
            argument: std::marker::PhantomData,
        }
    }

    fn grow(&mut self, groups: usize) {
        self.totals.resize(groups, S::Native::default());
        self.counts.resize(groups, 0);
    }
}

impl<T, S, O> GroupsAccumulator for Grouped<T, S, O>
where
    T: ArrowPrimitiveType + Send,
    S: Total + Send,
    S::Native: From<T::Native>,
    O: ArrowPrimitiveType,
{
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.grow(groups);
        let (totals, counts) = (&mut self.totals, &mut self.counts);
        let mut overflowed = false;
        let values = column::<T>(values)?;
        if filter.is_none() && values.null_count() == 0 {
            let widened = values.values().iter().copied().map(S::Native::from);
            match S::add_grouped(totals, counts, group_indices, widened) {
                Some(true) => return Err(overflow(&self.total_type)),
                Some(false) => return Ok(()),
                None => {}
            }
        }
        accumulate(group_indices, values, filter, |group, value: T::Native| {
            if let (Some(total), Some(count)) = (totals.get_mut(group), counts.get_mut(group)) {
                overflowed |= S::add(total, S::Native::from(value));
                *count += 1;
            }
        });
        if overflowed {
            return Err(overflow(&self.total_type));
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        group_indices: &[usize],
        groups: usize,
    ) -> Result<()> {
        self.grow(groups);
        let (counts, totals) = states.split_at(1.min(states.len()));
        let (counts, totals) = (column::<Int64Type>(counts)?, column::<S>(totals)?);
        let mut overflowed = false;
        let rows = group_indices
            .iter()
            .zip(counts.values())
            .zip(totals.values());
        for ((group, count), total) in rows {
            if let (Some(sum), Some(sum_count)) =
                (self.totals.get_mut(*group), self.counts.get_mut(*group))
            {
                overflowed |= S::add(sum, *total);
                *sum_count += count;
            }
        }
        if overflowed {
            return Err(overflow(&self.total_type));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = emit_to.take_needed(&mut self.totals);
        let counts = emit_to.take_needed(&mut self.counts);
        if !totals.iter().all(|total| S::fits(*total)) {
            return Err(overflow(&self.total_type));
        }
        let nulls = NullBuffer::from_iter(counts.iter().map(|count| *count > 0));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        let results = totals.iter().zip(&counts);
        let results: Vec<O::Native> = results
            .map(|(total, count)| match count {
                0 => O::Native::default(),
                count => (self.finish)(*total, *count),
            })
            .collect();
        let array = PrimitiveArray::<O>::try_new(results.into(), nulls)?;
        Ok(Arc::new(array.with_data_type(self.result_type.clone())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let counts = emit_to.take_needed(&mut self.counts);
        let totals = emit_to.take_needed(&mut self.totals);
        let totals = PrimitiveArray::<S>::try_new(totals.into(), None)?;
        Ok(vec![
            Arc::new(PrimitiveArray::<Int64Type>::try_new(counts.into(), None)?),
            Arc::new(totals.with_data_type(self.total_type.clone())),
        ])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = column::<T>(values)?;
        let kept = filtered_null_mask(filter, values);
        let is_kept = |row: usize| kept.as_ref().is_none_or(|kept| kept.is_valid(row));
        let totals = values.values().iter().enumerate();
        let totals: PrimitiveArray<S> =
            PrimitiveArray::from_iter_values(totals.map(|(row, value)| match is_kept(row) {
                true => S::Native::from(*value),
                false => S::Native::default(),
            }));
        let counts = (0..values.len()).map(|row| i64::from(is_kept(row)));
        let counts: PrimitiveArray<Int64Type> = PrimitiveArray::from_iter_values(counts);
        Ok(vec![
            Arc::new(counts),
            Arc::new(totals.with_data_type(self.total_type.clone())),
        ])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<S::Native>() + self.counts.capacity() * size_of::<i64>()
    }
}
