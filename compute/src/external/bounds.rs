//! Between which values the columns of each file of a table lie, as its log tells: rules out files before they are opened.

use super::prune::{has_subquery, unqualified};
use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is known of the values of one column in one file. What is not known is a null, or `None`.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// No value is less.
    pub(super) low: ScalarValue,
    /// No value is greater.
    pub(super) high: ScalarValue,
    /// Rows without a value.
    pub(super) nulls: Option<u64>,
}

#[derive(Clone, Debug)]
struct ColumnBounds {
    low: ArrayRef,
    high: ArrayRef,
    nulls: ArrayRef,
}

/// What is known of the files of a table, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    columns: HashMap<String, ColumnBounds>,
    rows: Vec<Option<u64>>,
}

impl Bounds {
    /// Begins with the rows of each file.
    pub(super) fn new(rows: Vec<Option<u64>>) -> Self {
        Self {
            columns: HashMap::new(),
            rows,
        }
    }

    /// Adds a column, of which `bounds` has one per file.
    pub(super) fn add(&mut self, column: &str, bounds: Vec<Bound>) -> Result<()> {
        if bounds.is_empty() || bounds.len() != self.rows.len() {
            return Ok(());
        }
        let nulls: UInt64Array = bounds.iter().map(|bound| bound.nulls).collect();
        let low = bounds.iter().map(|bound| bound.low.clone());
        let known = ColumnBounds {
            low: ScalarValue::iter_to_array(low)?,
            high: ScalarValue::iter_to_array(bounds.into_iter().map(|bound| bound.high))?,
            nulls: Arc::new(nulls),
        };
        self.columns.insert(column.to_owned(), known);
        Ok(())
    }

    /// Gives the rows of a file, if they are known.
    pub(super) fn rows_of(&self, file: usize) -> Option<u64> {
        self.rows.get(file).copied().flatten()
    }

    /// Tells of each file whether it can have rows that pass all conditions. A condition that cannot be decided by bounds
    /// rules out nothing.
    pub(super) fn qualified(
        &self,
        state: &dyn Session,
        schema: &SchemaRef,
        filters: &[Expr],
    ) -> Vec<bool> {
        let mut kept = vec![true; self.rows.len()];
        if self.columns.is_empty() {
            return kept;
        }
        for filter in filters {
            if filter.is_volatile() || has_subquery(filter) {
                continue;
            }
            let Ok(passed) = self.passed(state, schema, filter) else {
                continue;
            };
            for (kept, passed) in kept.iter_mut().zip(passed) {
                *kept &= passed;
            }
        }
        kept
    }

    fn passed(&self, state: &dyn Session, schema: &SchemaRef, filter: &Expr) -> Result<Vec<bool>> {
        let known = DFSchema::try_from(Arc::clone(schema))?;
        let test = state.create_physical_expr(unqualified(filter.clone())?, &known)?;
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema));
        builder.try_build(test)?.prune(self)
    }
}

impl PruningStatistics for Bounds {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        Some(Arc::clone(&self.columns.get(&column.name)?.low))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        Some(Arc::clone(&self.columns.get(&column.name)?.high))
    }

    fn num_containers(&self) -> usize {
        self.rows.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        Some(Arc::clone(&self.columns.get(&column.name)?.nulls))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows: UInt64Array = self.rows.iter().copied().collect();
        Some(Arc::new(rows))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field, Schema};
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::prelude::{col, lit};

    #[test]
    fn files_are_ruled_out_by_what_is_known() {
        let schema: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Int64, true),
        ]));
        let bound = |low: Option<i64>, high: Option<i64>, nulls: Option<u64>| Bound {
            low: ScalarValue::Int64(low),
            high: ScalarValue::Int64(high),
            nulls,
        };
        let mut bounds = Bounds::new(vec![Some(10), Some(10), Some(10), None]);
        let all = vec![
            bound(Some(1), Some(9), Some(0)),
            bound(Some(10), None, Some(1)),
            bound(None, None, Some(10)),
            bound(None, None, None),
        ];
        bounds.add("a", all).expect("bounds");
        let state = SessionStateBuilder::new().build();
        let check = |filter: Expr, expected: [bool; 4]| {
            let kept = bounds.qualified(&state, &schema, std::slice::from_ref(&filter));
            assert_eq!(kept, expected, "{filter}");
        };
        check(col("a").eq(lit(5_i64)), [true, false, false, true]);
        check(col("a").gt(lit(9_i64)), [false, true, false, true]);
        check(col("a").is_null(), [false, true, true, true]);
        check(col("a").is_not_null(), [true, true, false, true]);
        check(col("b").eq(lit(5_i64)), [true; 4]);
        assert_eq!(bounds.rows_of(3), None);
    }
}
