//! Charges the memory of rows that the operator above holds on to until its end, as the engine's windows over whole
//! partitions do without telling anybody. What does not fit is an error here, and not the end of the process.

use arrow::array::{Array, ArrayData, RecordBatch};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, replace_children_if_necessary};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Gives the rows of its input, and charges them to the query until it ends.
#[derive(Debug)]
pub struct HeldExec {
    input: Arc<dyn ExecutionPlan>,
}

impl HeldExec {
    /// Charges what comes from `input`.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input }
    }

    /// Puts one below every window of a plan that holds all its rows.
    pub fn below_window(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(window) = node.downcast_ref::<WindowAggExec>() else {
            return Ok(None);
        };
        let held: Arc<dyn ExecutionPlan> = Arc::new(Self::new(Arc::clone(window.input())));
        replace_children_if_necessary(Arc::clone(node), vec![held]).map(Some)
    }
}

impl DisplayAs for HeldExec {
    fn fmt_as(
        &self,
        _format: DisplayFormatType,
        formatter: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        formatter.write_str("HeldExec")
    }
}

impl ExecutionPlan for HeldExec {
    fn name(&self) -> &str {
        "HeldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) => Ok(Arc::new(Self::new(input))),
            None => Err(DataFusionError::Internal(
                "what is held has one input".to_owned(),
            )),
        }
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let consumer = MemoryConsumer::new(format!("WindowInput[{partition}]"));
        let reservation = consumer.register(task.memory_pool());
        let rows = self.input.execute(partition, task)?;
        let schema = rows.schema();
        let mut seen = HashSet::new();
        let held = rows.map(move |batch| {
            let batch = batch?;
            reservation.try_grow(new_bytes(&batch, &mut seen))?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, held)))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

/// Gives the bytes of the buffers of a batch that no batch before it had: several may share one. All are held, so no
/// address is used again.
fn new_bytes(batch: &RecordBatch, seen: &mut HashSet<usize>) -> usize {
    fn walk(data: &ArrayData, seen: &mut HashSet<usize>) -> usize {
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        let buffers = data.buffers().iter().chain(nulls);
        let own: usize = buffers
            .filter(|buffer| seen.insert(buffer.data_ptr().as_ptr() as usize))
            .map(|buffer| buffer.capacity())
            .sum();
        let children = data.child_data().iter();
        own + children.map(|child| walk(child, seen)).sum::<usize>()
    }
    let columns = batch.columns().iter();
    columns.map(|column| walk(&column.to_data(), seen)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray};
    use arrow_schema::{DataType, Field, Schema};

    #[test]
    fn buffers_that_batches_share_are_counted_once() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("s", DataType::Utf8View, true),
        ]));
        let long = "a text that does not fit into a view".repeat(100);
        let numbers = Arc::new(Int64Array::from_iter_values(0..1_000));
        let texts = Arc::new(StringViewArray::from_iter_values(vec![
            long.as_str();
            1_000
        ]));
        let batch = RecordBatch::try_new(schema, vec![numbers, texts]).expect("a batch");
        let mut seen = HashSet::new();
        let all = new_bytes(&batch, &mut seen);
        assert!(all >= 8_000 + 16_000 + long.len(), "{all}");
        assert_eq!(new_bytes(&batch.slice(10, 20), &mut seen), 0);
    }
}
