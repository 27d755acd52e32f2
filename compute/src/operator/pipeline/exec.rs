//! `FusedAggregateExec`: an aggregation and the projections below it as one operator.
//!
//! It shows itself as the engine's [`AggregateExec`] that it stands for, see
//! [`ExecutionPlan::downcast_delegate`]: what explains, records or estimates plans finds mode, keys and functions there.
//! Its child is the input of the lowest of its projections.

use super::groups::{Groups, Work};
use super::keys::Way;
use super::program::is_arithmetic;
use super::stream::{FusedStream, HandOver, Metrics, Rest, Worker};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::aggregates::{
    AggregateExec, AggregateInputMode, AggregateMode, AggregateOutputMode,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, CardinalityEffect, EmissionType, apply_expression_roots,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode,
    PlanProperties, ReplaceChildrenOptions,
};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Expression = Arc<dyn PhysicalExpr>;

/// Projections that are fused at most.
const PROJECTIONS_MAX: usize = 8;

/// The operator. See the module.
#[derive(Debug)]
pub struct FusedAggregateExec {
    /// The aggregation over its projections over `input`.
    plain: Arc<dyn ExecutionPlan>,
    projections: usize,
    input: Arc<dyn ExecutionPlan>,
    work: Arc<Work>,
    way: Way,
    metrics: ExecutionPlanMetricsSet,
    /// What took over from partitions that ran out of memory.
    handed_over: Arc<Mutex<Vec<Arc<AggregateExec>>>>,
}

/// Gives the operator that stands for a plan, if that is an aggregation of a kind that is known here.
pub fn fused(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let fused = FusedAggregateExec::of(plan)?;
    Ok(fused.map(|fused| Arc::new(fused) as Arc<dyn ExecutionPlan>))
}

/// Counts the projections that a fused operator does on the way; none for other operators.
pub fn fused_projections(plan: &dyn ExecutionPlan) -> usize {
    let children = plan.children();
    let (Some(aggregate), [bottom]) = (plan.downcast_ref::<AggregateExec>(), children.as_slice())
    else {
        return 0;
    };
    let mut at = aggregate.input();
    let mut count = 0;
    while !Arc::ptr_eq(at, bottom) {
        let Some(projection) = at.downcast_ref::<ProjectionExec>() else {
            return 0;
        };
        at = projection.input();
        count += 1;
    }
    count
}

impl FusedAggregateExec {
    fn of(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        let Some(aggregate) = plan.downcast_ref::<AggregateExec>() else {
            return Ok(None);
        };
        if plan.name() != aggregate.name() || !is_known(aggregate) {
            return Ok(None);
        }
        let Some(way) = way_of(aggregate) else {
            return Ok(None);
        };
        let merges = aggregate.mode().input_mode() == AggregateInputMode::Partial;
        let mut arguments = Arguments::of(aggregate);
        let (mut input, mut projections) = (aggregate.input(), 0);
        while projections < PROJECTIONS_MAX
            && !merges
            && let Some(projection) = input.downcast_ref::<ProjectionExec>()
            && let Some(below) = arguments.below(projection)?
        {
            (arguments, input) = (below, projection.input());
            projections += 1;
        }
        let schema = input.schema();
        let Some(mut work) = Work::new(&arguments.keys, &schema)? else {
            return Ok(None);
        };
        let mut state = arguments.keys.len();
        for (function, arguments) in aggregate.aggr_expr().iter().zip(&arguments.functions) {
            if merges {
                let count = function.state_fields()?.len();
                work.merge(function, (state, count), &schema);
                state += count;
            } else {
                work.aggregate(function, arguments, &schema)?;
            }
        }
        // Without keys only what is computed on the way is worth it.
        if !work.has_keys() && (merges || !work.computes_all()) {
            return Ok(None);
        }
        Ok(Some(Self {
            plain: Arc::clone(plan),
            projections,
            input: Arc::clone(input),
            work: Arc::new(work),
            way,
            metrics: ExecutionPlanMetricsSet::new(),
            handed_over: Arc::default(),
        }))
    }

    fn aggregate(&self) -> Result<&AggregateExec> {
        match self.plain.downcast_ref() {
            Some(aggregate) => Ok(aggregate),
            None => internal_err!("what is fused is no aggregation"),
        }
    }

    /// Gives what lets the engine take over.
    fn hand_over(&self, task: &Arc<TaskContext>) -> HandOver {
        let (plain, task) = (Arc::clone(&self.plain), Arc::clone(task));
        let handed_over = Arc::clone(&self.handed_over);
        Box::new(move |mut worker: Worker| {
            let Some(aggregate) = plain.downcast_ref::<AggregateExec>() else {
                return internal_err!("what is fused is no aggregation");
            };
            worker.give_states(states_schema(aggregate)?)?;
            let rest = AggregateExec::try_new(
                AggregateMode::Final,
                aggregate.group_expr().as_final(),
                aggregate.aggr_expr().to_vec(),
                vec![None; aggregate.aggr_expr().len()],
                Arc::new(RestExec::new(worker)),
                aggregate.input_schema(),
            )?;
            let rest = Arc::new(rest);
            let mut all = handed_over.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Arc::clone(&rest));
            drop(all);
            rest.execute(0, Arc::clone(&task))
        })
    }
}

/// Keys and arguments of the functions of an aggregation, as expressions over some input.
struct Arguments {
    keys: Vec<Expression>,
    functions: Vec<Vec<Expression>>,
}

impl Arguments {
    fn of(aggregate: &AggregateExec) -> Self {
        let functions = aggregate.aggr_expr().iter();
        Self {
            keys: aggregate.group_expr().input_exprs(),
            functions: functions.map(|function| function.expressions()).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Expression> {
        self.keys.iter().chain(self.functions.iter().flatten())
    }

    /// Gives the same over the input of a projection; `None` if something would be computed more often than now.
    fn below(&self, projection: &ProjectionExec) -> Result<Option<Self>> {
        let computed = projection.expr();
        let mut uses = vec![0_usize; computed.len()];
        for expr in self.all() {
            expr.apply(|node| {
                let column = node.downcast_ref::<Column>();
                if let Some(uses) = column.and_then(|column| uses.get_mut(column.index())) {
                    *uses += 1;
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        let schema = projection.input().schema();
        let is_cheap = |expr: &Expression| {
            expr.is::<Column>() || expr.is::<Literal>() || is_arithmetic(expr, &schema)
        };
        let once = computed
            .iter()
            .zip(&uses)
            .all(|(item, uses)| (*uses <= 1 || is_cheap(&item.expr)) && !is_volatile(&item.expr));
        if !once {
            return Ok(None);
        }
        let moved = |expr: &Expression| -> Result<Expression> {
            Arc::clone(expr)
                .transform_up(|node| {
                    let column = node.downcast_ref::<Column>();
                    let item = column.and_then(|column| computed.get(column.index()));
                    Ok(match item {
                        Some(item) => Transformed::yes(Arc::clone(&item.expr)),
                        None => Transformed::no(node),
                    })
                })
                .data()
        };
        let all = |exprs: &[Expression]| exprs.iter().map(moved).collect::<Result<Vec<_>>>();
        let functions = self.functions.iter().map(|exprs| all(exprs));
        Ok(Some(Self {
            keys: all(&self.keys)?,
            functions: functions.collect::<Result<_>>()?,
        }))
    }
}

/// Tells whether an aggregation does nothing but what is known here.
fn is_known(aggregate: &AggregateExec) -> bool {
    let group_by = aggregate.group_expr();
    let is_one_set = group_by.is_true_no_grouping() || group_by.is_single();
    let is_plain = aggregate.limit_options().is_none()
        && aggregate.dynamic_expressions_produced().is_empty()
        && aggregate.filter_expr().iter().all(Option::is_none);
    let functions = aggregate.aggr_expr().iter();
    let mut functions = functions.map(|function| {
        function.groups_accumulator_supported()
            && function.order_bys().is_empty()
            && !function.expressions().iter().any(is_volatile)
    });
    let mut keys = group_by.expr().iter();
    is_one_set
        && is_plain
        && *aggregate.mode() != AggregateMode::PartialReduce
        && functions.all(|is_known| is_known)
        && !keys.any(|(key, _)| is_volatile(key))
}

/// Tells how groups are found; `None` if they are complete in an order that is not known here.
fn way_of(aggregate: &AggregateExec) -> Option<Way> {
    let gives_states = aggregate.mode().output_mode() == AggregateOutputMode::Partial;
    match aggregate.input_order_mode() {
        InputOrderMode::Sorted => Some(Way::Runs),
        InputOrderMode::Linear => Some(Way::Looked),
        // States in the order of the first keys stay so.
        InputOrderMode::PartiallySorted(_) => gives_states.then_some(Way::Looked),
    }
}

/// Gives the schema of the groups of an aggregation with states in place of results.
fn states_schema(aggregate: &AggregateExec) -> Result<SchemaRef> {
    if aggregate.mode().input_mode() == AggregateInputMode::Partial {
        return Ok(aggregate.input().schema());
    }
    let partial = AggregateExec::try_new(
        AggregateMode::Partial,
        aggregate.group_expr().clone(),
        aggregate.aggr_expr().to_vec(),
        vec![None; aggregate.aggr_expr().len()],
        Arc::clone(aggregate.input()),
        aggregate.input_schema(),
    )?;
    Ok(partial.schema())
}

/// Puts another input below a chain of operators with one input each.
fn over(
    chain: &Arc<dyn ExecutionPlan>,
    depth: usize,
    bottom: &Arc<dyn ExecutionPlan>,
    mode: ChildrenPropertiesMode,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children = chain.children();
    let [child] = children.as_slice() else {
        return internal_err!("what is fused has one input");
    };
    let child = match depth {
        0 => Arc::clone(bottom),
        _ => over(child, depth - 1, bottom, mode)?,
    };
    Arc::clone(chain).replace_children(vec![child], ReplaceChildrenOptions::new(mode))
}

impl DisplayAs for FusedAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = match self.way {
            Way::Runs => "in order",
            Way::Looked | Way::Each => "in a table",
        };
        write!(
            formatter,
            "FusedAggregateExec: groups={keys}, projections={}, ",
            self.projections
        )?;
        self.plain.fmt_as(format, formatter)
    }
}

impl ExecutionPlan for FusedAggregateExec {
    fn name(&self) -> &'static str {
        "FusedAggregateExec"
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(self.plain.as_ref())
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.plain.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.plain.maintains_input_order()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = children.as_slice() else {
            return internal_err!("FusedAggregateExec has one input");
        };
        let mode = options.children_properties;
        let plain = over(&self.plain, self.projections, input, mode)?;
        match Self::of(&plain)? {
            // An order that was not relied on so far may not be kept.
            Some(fused) if self.way == Way::Looked => Ok(Arc::new(Self {
                way: Way::Looked,
                ..fused
            })),
            Some(fused) => Ok(Arc::new(fused)),
            None => Ok(plain),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.work.leaves().iter().cloned(), visit)
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let aggregate = self.aggregate()?;
        let consumer = MemoryConsumer::new(format!("FusedAggregateExec[{partition}]"));
        let reservation = consumer.with_can_spill(true).register(task.memory_pool());
        let metrics = Metrics {
            baseline: BaselineMetrics::new(&self.metrics, partition),
            peak: MetricBuilder::new(&self.metrics).peak_memory_usage("peak_mem_used", partition),
            early: MetricBuilder::new(&self.metrics).counter("given_early", partition),
        };
        let worker = Worker {
            input: self.input.execute(partition, Arc::clone(&task))?,
            groups: Groups::new(Arc::clone(&self.work), self.way)?,
            schema: self.schema(),
            gives_states: aggregate.mode().output_mode() == AggregateOutputMode::Partial,
            reservation,
            batch_rows: task.session_config().batch_size(),
            metrics,
            ready: None,
            rows: 0,
            has_ended: false,
        };
        Ok(Box::pin(FusedStream::new(worker, self.hand_over(&task))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.metrics.clone_inner();
        let handed_over = self.handed_over.lock();
        let handed_over = handed_over.unwrap_or_else(PoisonError::into_inner);
        for plain in handed_over.iter() {
            let theirs = plain.metrics().unwrap_or_default();
            theirs
                .iter()
                .for_each(|metric| metrics.push(Arc::clone(metric)));
        }
        Some(metrics)
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::LowerEqual
    }
}

/// The states that a worker has left, to be read once.
#[derive(Debug)]
struct RestExec {
    schema: SchemaRef,
    rest: Mutex<Option<RestOf>>,
    properties: Arc<PlanProperties>,
}

struct RestOf(Worker);

impl fmt::Debug for RestOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RestOf")
    }
}

impl RestExec {
    fn new(worker: Worker) -> Self {
        let schema = Arc::clone(&worker.schema);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            schema,
            rest: Mutex::new(Some(RestOf(worker))),
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for RestExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RestExec")
    }
}

impl ExecutionPlan for RestExec {
    fn name(&self) -> &'static str {
        "RestExec"
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match rest.take() {
            Some(RestOf(worker)) => Ok(Box::pin(Rest(worker))),
            None => Err(DataFusionError::Internal("states are read once".to_owned())),
        }
    }
}
