//! `SpillingJoinExec`: a hash join of two sides of any size, in the memory that its query leaves it.
//!
//! It is a plan for joins whose hash table may not fit; the engine's `HashJoinExec` has none. The rows are joined by that
//! operator nevertheless, so that every type of join means the same here: this one only chooses which rows it gets at a
//! time. While the side that is made a table fits, it gets all of them, and nothing is written. Otherwise rows of both
//! sides are dealt to partitions by a hash of their keys; those that fit stay in memory and are joined while the other
//! side passes (`probe.rs`), the rest goes to files and is joined pair by pair (`run.rs`), dealt again where one does not
//! fit. A pair that cannot be dealt, as most of its rows have one key, is joined piece by piece: the other file is read
//! once for each piece.

mod run;

mod probe;

mod partition;

mod split;

mod handed;

#[cfg(test)]
mod tests;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinSide, NullEquality, Statistics};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
};
use std::fmt;
use std::sync::Arc;

/// How rows are dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// Into how many partitions at once; as many files may be open.
    partitions: usize,
    /// Rows of a partition are written, or put with others that are kept, when they take so many bytes.
    chunk_bytes: usize,
    /// How often a row is dealt at most.
    depth_max: usize,
}

const LIMITS: Limits = Limits {
    partitions: 16,
    chunk_bytes: 32 << 10,
    // 16 to the fourth: a side of 60 000 times the memory.
    depth_max: 4,
};

/// The operator. See the module.
#[derive(Debug)]
pub struct SpillingJoinExec {
    /// The join as the engine would make it, over the same inputs; it never runs.
    join: Arc<HashJoinExec>,
    limits: Limits,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SpillingJoinExec {
    /// Tells whether a join can be made so: not NOT IN, which must see all of its other side at once.
    pub fn can_be(join: &HashJoinExec) -> bool {
        !join.null_aware && !join.on().is_empty() && join.fetch().is_none()
    }

    /// Makes the operator that gives the rows of `join`, slice by slice; see [`SpillingJoinExec::can_be`].
    pub fn new(join: &HashJoinExec) -> Result<Self> {
        Self::with_limits(join, LIMITS)
    }

    fn with_limits(join: &HashJoinExec, limits: Limits) -> Result<Self> {
        let builder = join
            .builder()
            .with_partition_mode(PartitionMode::Partitioned);
        let join = builder.recompute_properties().reset_state().build()?;
        let known = join.properties();
        // Rows come as partitions do, not as the other side had them.
        let mut equivalences = known.equivalence_properties().clone();
        equivalences.clear_orderings();
        let properties = PlanProperties::new(
            equivalences,
            known.output_partitioning().clone(),
            EmissionType::Both,
            known.boundedness,
        );
        Ok(Self {
            properties: Arc::new(properties),
            join: Arc::new(join),
            limits,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Gives the join that it stands for: sides, keys, condition and columns.
    pub fn join(&self) -> &HashJoinExec {
        &self.join
    }

    /// Gives the same join with another condition beside its keys.
    pub fn with_filter(&self, filter: JoinFilter) -> Result<Self> {
        let join = self.join.builder().with_filter(Some(filter)).build()?;
        Self::with_limits(&join, self.limits)
    }

    /// Wraps the join that a rewrite of it has given, at the top or below a projection.
    fn rewritten(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            return Ok(Some(Arc::new(Self::with_limits(join, self.limits)?)));
        }
        let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
            return Ok(None);
        };
        let Some(join) = projection.input().downcast_ref::<HashJoinExec>() else {
            return Ok(None);
        };
        let join: Arc<dyn ExecutionPlan> = Arc::new(Self::with_limits(join, self.limits)?);
        let over = ProjectionExec::try_new(projection.expr().to_vec(), join)?;
        Ok(Some(Arc::new(over)))
    }
}

/// Gives the hash join that a plan is, whether or not it can spill.
pub fn hash_join_of(plan: &dyn ExecutionPlan) -> Option<&HashJoinExec> {
    match plan.downcast_ref::<SpillingJoinExec>() {
        Some(spilling) => Some(spilling.join()),
        None => plan.downcast_ref::<HashJoinExec>(),
    }
}

/// Tells whether rows of a side appear that match nothing.
fn gives_unmatched(join_type: JoinType, side: JoinSide) -> bool {
    match join_type {
        JoinType::Full => true,
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => side == JoinSide::Left,
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => side == JoinSide::Right,
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => false,
    }
}

/// Tells whether a side may be joined piece by piece: what comes of a row of it does not depend on the others.
fn can_be_cut(join_type: JoinType, side: JoinSide) -> bool {
    match join_type {
        JoinType::Inner => true,
        JoinType::Full => false,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            side == JoinSide::Left
        }
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            side == JoinSide::Right
        }
    }
}

impl DisplayAs for SpillingJoinExec {
    fn fmt_as(
        &self,
        _format: DisplayFormatType,
        formatter: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let on = self.join.on().iter();
        let on: Vec<String> = on
            .map(|(left, right)| format!("({left}, {right})"))
            .collect();
        write!(
            formatter,
            "SpillingJoinExec: join_type={:?}, on=[{}]",
            self.join.join_type(),
            on.join(", ")
        )?;
        match self.join.filter() {
            Some(filter) => write!(formatter, ", filter={}", filter.expression()),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for SpillingJoinExec {
    fn name(&self) -> &str {
        "SpillingJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.join.input_distribution_requirements()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.join.children()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(visit)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let join = self.join.builder().with_new_children(children)?;
        let join = join.recompute_properties().build()?;
        Ok(Arc::new(Self::with_limits(&join, self.limits)?))
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::with_limits(&self.join, self.limits)?))
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let inputs = [
            self.join.left().execute(partition, Arc::clone(&task))?,
            self.join.right().execute(partition, Arc::clone(&task))?,
        ];
        let run = run::Run::new(self, (partition, &task), inputs);
        Ok(run.stream())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.join.child_stats_requests(partition)
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        arguments: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.join.statistics_from_inputs(inputs, arguments)
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        match self.join.try_swapping_with_projection(projection)? {
            Some(plan) => self.rewritten(plan),
            None => Ok(None),
        }
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        // Conditions from above pass. There is none of its own: it would be known when the last partition is.
        let mut config = config.clone();
        config.optimizer.enable_join_dynamic_filter_pushdown = false;
        self.join
            .gather_filters_for_pushdown(phase, parent_filters, &config)
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_any(result))
    }
}

/// Tells whether null keys are equal to each other.
fn nulls_match(join: &HashJoinExec) -> bool {
    join.null_equality() == NullEquality::NullEqualsNull
}
