//! `SecureExec`: the rows of a protected table, and a wall around how they are made.
//!
//! It gives its input's rows as they come. What it is for is what it does not do: no condition from above is handed
//! down through it, so that one that fails, or tells what it saw, sees only rows that the user may see.

use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// What protects a table from who reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Protected {
    /// The table's oid.
    pub oid: u32,
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// Whether rows are kept back, and not only columns masked.
    pub keeps_rows: bool,
    /// Names of the row policies that choose the rows; without any, all are kept back.
    pub policies: Vec<String>,
    /// Whether EXPLAIN may show what is below.
    pub is_shown: bool,
}

/// The operator. See the module.
#[derive(Debug)]
pub struct SecureExec {
    protected: Arc<Protected>,
    input: Arc<dyn ExecutionPlan>,
    metrics: ExecutionPlanMetricsSet,
}

impl SecureExec {
    /// Puts the wall over `input`, what the user may see of a table.
    pub fn new(protected: Arc<Protected>, input: Arc<dyn ExecutionPlan>) -> Self {
        Self {
            protected,
            input,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// What protects the table.
    pub fn protected(&self) -> &Arc<Protected> {
        &self.protected
    }
}

impl DisplayAs for SecureExec {
    fn fmt_as(
        &self,
        _format: DisplayFormatType,
        formatter: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        write!(formatter, "SecureExec: {}", self.protected.table)
    }
}

impl ExecutionPlan for SecureExec {
    fn name(&self) -> &str {
        "SecureExec"
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
            Some(input) => Ok(Arc::new(Self::new(Arc::clone(&self.protected), input))),
            None => Err(DataFusionError::Internal(
                "a protected table has one input".to_owned(),
            )),
        }
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = self.input.execute(partition, task)?;
        let schema = rows.schema();
        let counted = rows.map(move |batch| batch.record_output(&metrics));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _arguments: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match inputs.first() {
            // Never exact: an answer taken from statistics alone would not pass here.
            Some(only) => Ok(Arc::new(Statistics::clone(only).to_inexact())),
            None => Ok(Arc::new(Statistics::new_unknown(&self.schema()))),
        }
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
