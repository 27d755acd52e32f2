//! Runs a physical plan on the node's threads and hands its batches over.

use super::answer::OutputColumn;
use crate::error::Result;
use crate::planner::{constant, run};
use arrow_schema::Schema;
use blueshift_compute::node::Node;
use blueshift_sql::{SqlType, binder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use std::sync::Arc;

/// Runs a plan; batches come as they are made. Dropping the stream stops the plan. One row of constants is made where
/// it is asked for.
pub fn stream(
    node: &Arc<Node>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> SendableRecordBatchStream {
    if constant::is_row(&plan)
        && let Ok(row) = execute_stream(Arc::clone(&plan), Arc::clone(&task))
    {
        return row;
    }
    run::stream(plan, task, &node.resources.compute)
}

/// Waits for the first batch. Fails if that does.
pub async fn begun(mut stream: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
    let schema = stream.schema();
    let first = stream.next().await.transpose()?;
    let rows = futures::stream::iter(first.map(Ok)).chain(stream);
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

/// Runs a plan to its end and forgets its rows.
pub async fn drain(
    node: &Arc<Node>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<u64> {
    let mut batches = stream(node, plan, task);
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        rows += batch?.num_rows() as u64;
    }
    Ok(rows)
}

/// Tells the client's view of a bound plan's columns.
pub fn output_columns(schema: &Schema) -> Vec<OutputColumn> {
    schema
        .fields()
        .iter()
        .map(|field| OutputColumn {
            name: binder::shown_name(field.name()).to_string(),
            ty: SqlType::from_field(field),
            arrow: field.data_type().clone(),
        })
        .collect()
}
