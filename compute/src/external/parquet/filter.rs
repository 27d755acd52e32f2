//! The conditions of a scan over one file: each part of their conjunction is tested by itself, those of one column that has
//! a dictionary on the values of the dictionary.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow_schema::{Schema, SchemaRef};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::snapshot_generation;
use std::sync::Arc;

/// Rows after which a condition that can be left out is judged.
const JUDGED_ROWS: u64 = 32_768;
/// Such a condition must rule out one row of so many to be worth its time.
const WORTH_ONE_OF: u64 = 12;

/// A part of the conjunction.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Over the columns, in their order.
    expr: Arc<dyn PhysicalExpr>,
    /// Places of its columns in the file.
    pub(super) columns: Vec<usize>,
    schema: SchemaRef,
    /// Whether something above tests the same: the filters that joins, sorts and aggregates make.
    can_be_left_out: bool,
    seen: u64,
    kept: u64,
    generation: u64,
}

impl Condition {
    /// Takes a predicate over the columns of a file apart.
    pub(super) fn all_of(predicate: &Arc<dyn PhysicalExpr>, file: &Schema) -> Result<Vec<Self>> {
        let parts = split_conjunction(predicate).into_iter();
        parts.map(|part| Self::new(part, file)).collect()
    }

    fn new(part: &Arc<dyn PhysicalExpr>, file: &Schema) -> Result<Self> {
        let columns = collect_columns(part).into_iter();
        let mut columns: Vec<usize> = columns.map(|column| column.index()).collect();
        columns.sort_unstable();
        columns.dedup();
        let schema = Arc::new(file.project(&columns)?);
        Ok(Self {
            expr: reassign_expr_columns(Arc::clone(part), &schema)?,
            columns,
            schema,
            can_be_left_out: part.downcast_ref::<DynamicFilterPhysicalExpr>().is_some(),
            seen: 0,
            kept: 0,
            generation: 0,
        })
    }

    /// Tells which version of a condition that changes is the present one.
    pub(super) fn generation(&self) -> u64 {
        snapshot_generation(&self.expr)
    }

    /// Tells whether testing it is worth the time.
    pub(super) fn is_worth(&self) -> bool {
        !self.can_be_left_out
            || self.seen < JUDGED_ROWS
            || self.seen - self.kept >= self.seen / WORTH_ONE_OF
            || self.generation() != self.generation
    }

    /// Counts what it did.
    pub(super) fn note(&mut self, seen: usize, kept: usize) {
        let generation = self.generation();
        if generation != self.generation {
            (self.seen, self.kept, self.generation) = (0, 0, generation);
        }
        self.seen += seen as u64;
        self.kept += kept as u64;
    }

    /// Tests rows of its columns: which hold. Unknown is no.
    pub(super) fn test(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<BooleanBuffer> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let answer = self.expr.evaluate(&batch)?.into_array(rows)?;
        match answer.as_boolean_opt() {
            Some(answer) => Ok(holding(answer)),
            None => exec_err!("a condition is no boolean"),
        }
    }
}

fn holding(answer: &BooleanArray) -> BooleanBuffer {
    match answer.nulls() {
        None => answer.values().clone(),
        Some(nulls) => answer.values() & nulls.inner(),
    }
}

/// Which rows of a window are left: all, or those at places.
#[derive(Debug)]
pub(super) struct Picked {
    rows: usize,
    places: Option<Vec<u32>>,
}

impl Picked {
    /// Begins with all.
    pub(super) fn all(rows: usize) -> Self {
        Self { rows, places: None }
    }

    /// Tells how many are left.
    pub(super) fn len(&self) -> usize {
        self.places.as_ref().map_or(self.rows, Vec::len)
    }

    /// Gives their places if they are not all.
    pub(super) fn places(&self) -> Option<&[u32]> {
        self.places.as_deref()
    }

    /// Leaves those whose code holds. Benchmark: `external`, q06.
    pub(super) fn keep_coded(&mut self, codes: &[u32], holds: &[bool]) {
        let is_kept = |code: u32| holds.get(code as usize).copied().unwrap_or(false);
        match &mut self.places {
            Some(places) => {
                places.retain(|place| {
                    codes
                        .get(*place as usize)
                        .is_some_and(|code| is_kept(*code))
                });
            }
            None => {
                let mut places = vec![0; codes.len() + 1];
                let mut count = 0;
                for (place, code) in codes.iter().enumerate() {
                    // No branch: what does not hold is written over.
                    if let Some(room) = places.get_mut(count) {
                        *room = place as u32;
                    }
                    count += usize::from(is_kept(*code));
                }
                places.truncate(count);
                self.places = (count < codes.len()).then_some(places);
            }
        }
    }

    /// Leaves those that a test of the ones left so far holds for.
    pub(super) fn keep(&mut self, holds: &BooleanBuffer) {
        let kept = holds.set_indices();
        self.places = Some(match &self.places {
            None => kept.map(|place| place as u32).collect(),
            Some(places) => kept
                .filter_map(|place| places.get(place).copied())
                .collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_by_place() {
        let mut picked = Picked::all(5);
        picked.keep_coded(&[0, 1, 2, 1, 0], &[true, true, true]);
        assert_eq!((picked.len(), picked.places()), (5, None));
        picked.keep_coded(&[0, 1, 2, 1, 0], &[false, true, false]);
        assert_eq!(picked.places(), Some(&[1, 3][..]));
        picked.keep(&BooleanBuffer::from(vec![false, true]));
        assert_eq!(picked.places(), Some(&[3][..]));
        picked.keep_coded(&[0; 5], &[false]);
        assert_eq!(picked.len(), 0);
        let mut none = Picked::all(2);
        none.keep(&BooleanBuffer::from(vec![false, false]));
        assert_eq!(none.places(), Some(&[][..]));
    }
}
