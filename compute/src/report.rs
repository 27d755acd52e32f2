//! What each step did: rows, bytes, time, spill.

use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one operator of an executed plan did, summed over its partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepMetrics {
    /// Rows given to the parent.
    pub rows: Option<u64>,
    /// Nanoseconds of computing, summed over threads.
    pub elapsed_compute_ns: Option<u64>,
    /// Bytes written to spill files.
    pub spilled_bytes: Option<u64>,
    /// Blocks a full scan of the columns would read; scans only.
    pub blocks: Option<u64>,
    /// Of those, blocks that were read.
    pub blocks_read: Option<u64>,
    /// Of those, blocks that were skipped.
    pub blocks_pruned: Option<u64>,
    /// Encoded bytes read, from cache or disk.
    pub bytes_read: Option<u64>,
    /// Of those, bytes that came from disk.
    pub bytes_from_disk: Option<u64>,
    /// Rows of the zones looked into.
    pub rows_scanned: Option<u64>,
    /// Every other counter of the operator by name; times in nanoseconds.
    pub others: BTreeMap<String, u64>,
}

/// One operator of an executed plan and those below it.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The operator's name, for example `HashJoinExec`.
    pub operator: String,
    /// The operator in one line, as the engine displays it.
    pub label: String,
    /// What it did.
    pub metrics: StepMetrics,
    /// Its inputs, in order.
    pub children: Vec<StepReport>,
}

impl StepReport {
    /// Reads the metrics of an executed plan. A plan that has not run gives empty metrics.
    pub fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        Self {
            operator: plan.name().to_owned(),
            label: displayable(plan.as_ref())
                .one_line()
                .to_string()
                .trim_end()
                .to_owned(),
            metrics: plan
                .metrics()
                .as_ref()
                .map(StepMetrics::of)
                .unwrap_or_default(),
            children: plan.children().into_iter().map(Self::of).collect(),
        }
    }

    /// Visits this step and all below it, parents first, with their depth.
    pub fn visit(&self, visitor: &mut dyn FnMut(usize, &StepReport)) {
        fn walk(step: &StepReport, depth: usize, visitor: &mut dyn FnMut(usize, &StepReport)) {
            visitor(depth, step);
            for child in &step.children {
                walk(child, depth + 1, visitor);
            }
        }
        walk(self, 0, visitor);
    }
}

impl StepMetrics {
    fn of(metrics: &MetricsSet) -> Self {
        let mut step = Self::default();
        for metric in metrics.aggregate_by_name().iter() {
            if matches!(
                metric.value(),
                MetricValue::StartTimestamp(_) | MetricValue::EndTimestamp(_)
            ) {
                continue;
            }
            let value = metric.value().as_usize() as u64;
            let field = match metric.value().name() {
                "output_rows" => &mut step.rows,
                "elapsed_compute" => &mut step.elapsed_compute_ns,
                "spilled_bytes" => &mut step.spilled_bytes,
                "blocks" => &mut step.blocks,
                "blocks_read" => &mut step.blocks_read,
                "blocks_pruned" => &mut step.blocks_pruned,
                "bytes_read" => &mut step.bytes_read,
                "bytes_from_disk" => &mut step.bytes_from_disk,
                "rows_scanned" => &mut step.rows_scanned,
                other => {
                    step.others.insert(other.to_owned(), value);
                    continue;
                }
            };
            *field = Some(value);
        }
        step
    }
}
