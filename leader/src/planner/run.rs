//! Where plans run: long ones on the compute threads, short ones beside them.

use super::log::PlanLog;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Batches that may wait for who reads them before the plan stops.
const BATCHES_AHEAD: usize = 4;

/// Runs a plan on the threads that are for it; batches come as they are made. Dropping the stream stops the plan. What
/// belongs to no statement runs on `others`.
pub fn stream(
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    others: &Handle,
) -> SendableRecordBatchStream {
    let plans = task.session_config().get_extension::<PlanLog>();
    let own = plans.and_then(|plans| plans.threads());
    let mut builder = RecordBatchReceiverStreamBuilder::new(plan.schema(), BATCHES_AHEAD);
    let sender = builder.tx();
    let work = async move {
        let mut batches = execute_stream(plan, task)?;
        while let Some(batch) = batches.next().await {
            let is_last = batch.is_err();
            if sender.send(batch).await.is_err() || is_last {
                break;
            }
        }
        Ok(())
    };
    builder.spawn_on(work, own.as_ref().unwrap_or(others));
    builder.build()
}
