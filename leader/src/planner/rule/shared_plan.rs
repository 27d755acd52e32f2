//! `SharedPlan`: a part that a statement has several times is made once, and its rows are kept.
//!
//! A name of a WITH clause stands for its query wherever it is used; after filters went down, what is equal still is
//! what neither use could make smaller. Only parts that aggregate, deduplicate or rank are worth keeping, and only if
//! their rows fit into memory. The last logical step, [`mark`], puts [`Shared`] over each of them;
//! [`SharedPlanner`] makes it an operator, and [`unite`] lets all operators of one part read the same rows.

use crate::planner::estimate::logical::estimate;
use crate::planner::options::options_of;
use crate::planner::rule::secure_scan::SecureScan;
use async_trait::async_trait;
use blueshift_compute::operator::shared::SharedExec;
use blueshift_compute::scan::StoredTable;
use datafusion::catalog::Session;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, Result, internal_err};
use datafusion::execution::SessionState;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Bytes that the rows of one part may be expected to take.
const BYTES_MAX: f64 = 128.0 * 1024.0 * 1024.0;

/// Stands over a part that occurs again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    id: usize,
    input: LogicalPlan,
}

impl PartialOrd for Shared {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.id.partial_cmp(&other.id)
    }
}

impl UserDefinedLogicalNodeCore for Shared {
    fn name(&self) -> &str {
        "Shared"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Shared: {}", self.id)
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        match inputs.pop() {
            Some(input) => Ok(Self { id: self.id, input }),
            None => internal_err!("a shared part has one input"),
        }
    }
}

/// Puts [`Shared`] over every part of a finished plan that occurs at least twice and is worth keeping.
pub(crate) fn mark(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    if !options_of(state.config_options()).shared_plan || !reads_a_table_twice(&plan)? {
        return Ok(plan);
    }
    let mut parts: HashMap<LogicalPlan, usize> = HashMap::new();
    plan.apply(|node| {
        if is_reducing(node) {
            *parts.entry(node.clone()).or_default() += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    parts.retain(|part, count| *count >= 2 && is_worth_keeping(part));
    if parts.is_empty() {
        return Ok(plan);
    }
    let mut ids: HashMap<LogicalPlan, usize> = HashMap::new();
    plan.transform_down(|node| {
        if !parts.contains_key(&node) {
            return Ok(Transformed::no(node));
        }
        let next = ids.len();
        let id = *ids.entry(node.clone()).or_insert(next);
        let shared = LogicalPlan::Extension(Extension {
            node: Arc::new(Shared { id, input: node }),
        });
        Ok(Transformed::new(shared, true, TreeNodeRecursion::Jump))
    })
    .data()
}

/// Whether some table is read more than once: the cheap question before the dear ones.
fn reads_a_table_twice(plan: &LogicalPlan) -> Result<bool> {
    let mut tables = Vec::new();
    let mut twice = false;
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            twice |= tables.contains(&&scan.table_name);
            tables.push(&scan.table_name);
        }
        Ok(match twice {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(twice)
}

fn is_reducing(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) | LogicalPlan::Window(_)
    )
}

/// Whether a part gives the same rows each time, from stored tables, and few enough to keep.
fn is_worth_keeping(part: &LogicalPlan) -> bool {
    let mut fixed = true;
    let walked = part.apply(|node| {
        fixed &= match node {
            LogicalPlan::TableScan(scan) => is_stored(&scan.source),
            LogicalPlan::Extension(_) | LogicalPlan::RecursiveQuery(_) => false,
            _ => node.expressions().iter().all(is_fixed),
        };
        Ok(match fixed {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    });
    if walked.is_err() || !fixed {
        return false;
    }
    let rows = estimate(part);
    rows.rows * rows.width() <= BYTES_MAX
}

/// Equal plans tell their tables by name only; of stored tables that is enough within a statement.
fn is_stored(source: &Arc<dyn datafusion::logical_expr::TableSource>) -> bool {
    source_as_provider(source).is_ok_and(|provider| {
        let any: &dyn Any = provider.as_ref();
        #[cfg(test)]
        if any.is::<crate::planner::tests::Fixture>() {
            return true;
        }
        any.is::<StoredTable>()
    })
}

fn is_fixed(expr: &Expr) -> bool {
    !expr.is_volatile()
        && !expr
            .exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..))))
            .unwrap_or(true)
}

/// Makes operators of a plan, of [`Shared`] and [`SecureScan`] too.
#[derive(Debug)]
pub(crate) struct SharedPlanner;

#[async_trait]
impl QueryPlanner for SharedPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Self)])
            .create_physical_plan(plan, session)
            .await
    }
}

#[async_trait]
impl ExtensionPlanner for SharedPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let (Some(secure), [input]) =
            (node.as_any().downcast_ref::<SecureScan>(), physical_inputs)
        {
            return Ok(Some(secure.operator(input)));
        }
        let (Some(shared), [input]) = (node.as_any().downcast_ref::<Shared>(), physical_inputs)
        else {
            return Ok(None);
        };
        Ok(Some(Arc::new(SharedExec::new(
            shared.id,
            Arc::clone(input),
        ))))
    }
}

/// Lets the operators of one part read the same rows, once all rules have seen each of them.
pub(crate) fn unite(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut firsts: HashMap<usize, Arc<SharedExec>> = HashMap::new();
    let mut known = Vec::new();
    plan.apply(|node| {
        if node.downcast_ref::<SharedExec>().is_some() {
            known.push(Arc::clone(node));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if known.len() < 2 {
        return Ok(plan);
    }
    plan.transform_down(|node| {
        let Some(shared) = node.downcast_ref::<SharedExec>() else {
            return Ok(Transformed::no(node));
        };
        let Some(first) = firsts.get(&shared.id()) else {
            let first = Arc::new(SharedExec::new(shared.id(), Arc::clone(shared.input())));
            firsts.insert(shared.id(), Arc::clone(&first));
            let first: Arc<dyn ExecutionPlan> = first;
            return Ok(Transformed::new(first, true, TreeNodeRecursion::Jump));
        };
        Ok(match shared.reading(first) {
            Some(reader) => {
                let reader: Arc<dyn ExecutionPlan> = Arc::new(reader);
                Transformed::new(reader, true, TreeNodeRecursion::Jump)
            }
            None => Transformed::new(node, false, TreeNodeRecursion::Jump),
        })
    })
    .data()
}
