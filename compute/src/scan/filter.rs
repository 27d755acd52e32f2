//! An expression of the engine as a row filter of storage.

use crate::error::filter_error;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use blueshift_storage::table::predicate::RowFilter;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use std::sync::Arc;

/// Evaluates an expression on the decoded columns it names.
#[derive(Debug)]
pub(super) struct ExpressionFilter {
    /// The expression; its columns count within `schema`.
    expression: Arc<dyn PhysicalExpr>,
    /// The columns it reads.
    schema: SchemaRef,
    /// The same columns as indexes into the table.
    columns: Vec<usize>,
}

impl ExpressionFilter {
    /// Makes a filter of an expression over the table's columns.
    pub(super) fn new(expression: &Arc<dyn PhysicalExpr>, table: &Schema) -> Result<Self> {
        let mut columns: Vec<usize> = collect_columns(expression)
            .iter()
            .map(Column::index)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        // A dictionary's entries may be tested with a null among them, whatever the column promises.
        let fields = table.project(&columns)?.fields;
        let nullable = fields
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let expression = move_columns(expression, |index| columns.binary_search(&index).ok())?;
        Ok(Self {
            expression,
            schema,
            columns,
        })
    }
}

/// Rewrites the column indexes of an expression; one that `place` does not know is left as it is.
pub(super) fn move_columns(
    expression: &Arc<dyn PhysicalExpr>,
    place: impl Fn(usize) -> Option<usize>,
) -> Result<Arc<dyn PhysicalExpr>> {
    Arc::clone(expression)
        .transform_up(|node| {
            let moved = node
                .downcast_ref::<Column>()
                .and_then(|column| Some(Column::new(column.name(), place(column.index())?)));
            Ok(match moved {
                Some(column) => Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>),
                None => Transformed::no(node),
            })
        })
        .data()
}

impl RowFilter for ExpressionFilter {
    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn select(
        &self,
        columns: &[ArrayRef],
        rows: usize,
    ) -> blueshift_storage::Result<BooleanBuffer> {
        let evaluate = || -> Result<BooleanBuffer> {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let schema = Arc::clone(&self.schema);
            let batch = RecordBatch::try_new_with_options(schema, columns.to_vec(), &options)?;
            let result = self.expression.evaluate(&batch)?.into_array(rows)?;
            Ok(true_rows(as_boolean_array(&result)?))
        };
        evaluate().map_err(filter_error)
    }
}

/// Gives the rows that are true; null counts as false.
fn true_rows(array: &BooleanArray) -> BooleanBuffer {
    match array.nulls() {
        Some(valid) => array.values() & valid.inner(),
        None => array.values().clone(),
    }
}
