//! `NullSideExec`: the side of an outer join whose columns are null where nothing matched.
//!
//! Rows pass untouched. What it takes away is the planner's belief that a column of this side has one value only
//! (`WHERE flag = 1`, `SELECT 'x' AS flag`): above the join the column is that value or null. The engine keeps the
//! belief through outer joins, and then groups and sorts as if the column were constant.

use arrow_schema::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use std::sync::Arc;

/// The operator. See the module.
#[derive(Debug)]
pub struct NullSideExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl NullSideExec {
    /// Puts the operator over the null side of an outer join.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let known = input.properties();
        let orderings = known.equivalence_properties().oeq_class().clone();
        let equivalences = EquivalenceProperties::new_with_orderings(input.schema(), orderings);
        let properties = Arc::new(PlanProperties::new(
            equivalences,
            known.output_partitioning().clone(),
            known.emission_type,
            known.boundedness,
        ));
        Self { input, properties }
    }

    /// Tells whether a plan is believed to have a column of one value.
    pub fn is_needed(input: &Arc<dyn ExecutionPlan>) -> bool {
        let properties = input.properties().equivalence_properties();
        !properties.constants().is_empty()
    }
}

impl DisplayAs for NullSideExec {
    fn fmt_as(
        &self,
        _format: DisplayFormatType,
        formatter: &mut std::fmt::Formatter<'_>,
    ) -> std::fmt::Result {
        formatter.write_str("NullSideExec")
    }
}

impl ExecutionPlan for NullSideExec {
    fn name(&self) -> &str {
        "NullSideExec"
    }

    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
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
            None => datafusion::common::internal_err!("NullSideExec has one input"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, task)
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
            Some(only) => Ok(Arc::clone(only)),
            None => Ok(Arc::new(Statistics::new_unknown(&self.schema()))),
        }
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
