//! A physical plan in which the constants of its scan can be replaced.

use super::shape::{Comparison, is_comparison};
use crate::planner::predicate_use::StoredColumns;
use crate::planner::rule::filter_pushdown::FilterPushdown;
use arrow_schema::Schema;
use blueshift_compute::scan::{SliceScanExec, StoredTable};
use blueshift_storage::store::version::TableVersion;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_expr_common::physical_expr::snapshot_generation;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions, displayable,
};
use std::sync::Arc;

/// A plan whose scan reads nothing, to be made into plans that run.
#[derive(Clone)]
pub(super) struct Template {
    plan: Arc<dyn ExecutionPlan>,
    /// The constants of the query it was made of.
    values: Vec<ScalarValue>,
    /// Of every comparison with a constant in the filters of the scan, in order, the place among `values`.
    slots: Vec<Option<usize>>,
    /// Of every value, whether another one was seen to make the same plan but for it.
    may_vary: Vec<bool>,
    /// Whether a sort in it tells the scan, while it runs, which rows are too late.
    tells_scan: bool,
    /// The stored columns that the query asks by.
    pub predicates: StoredColumns,
}

impl Template {
    /// Makes a template of a plan; `None` if not every constant of its query stands in the scan as it is, or if it holds
    /// what belongs to one run.
    pub(super) fn of(
        plan: &Arc<dyn ExecutionPlan>,
        comparisons: &[Comparison],
        predicates: StoredColumns,
    ) -> Option<Self> {
        let scan = only_scan(plan)?;
        let mut finder = Finder {
            comparisons,
            slots: Vec::new(),
            is_clear: true,
        };
        known_filters(scan).for_each(|one| finder.look_at(one));
        let is_found = |place: usize| finder.slots.contains(&Some(place));
        if !finder.is_clear || !(0..comparisons.len()).all(is_found) {
            return None;
        }
        let slots = finder.slots;
        let values: Vec<_> = comparisons.iter().map(|one| one.value.clone()).collect();
        let tells_scan = known_filters(scan).count() < scan.filters().len();
        let nothing = Arc::new(without_rows(scan.table()));
        let mut filler = Filler {
            values: &values,
            slots: slots.iter(),
        };
        let plan = rebuilt(plan, &nothing, &mut filler).ok()?;
        Some(Self {
            plan,
            may_vary: vec![false; values.len()],
            values,
            slots,
            tells_scan,
            predicates,
        })
    }

    /// Makes the plan for other constants, to read a table of the same version. `None` if one of them cannot stand
    /// where the planner had put the first.
    pub(super) fn filled(
        &self,
        table: &Arc<StoredTable>,
        comparisons: &[Comparison],
        config: &ConfigOptions,
    ) -> Option<Arc<dyn ExecutionPlan>> {
        let values: Vec<_> = comparisons.iter().map(|one| one.value.clone()).collect();
        let mut filler = Filler {
            values: &values,
            slots: self.slots.iter(),
        };
        let plan = rebuilt(&self.plan, table, &mut filler).ok()?;
        match self.tells_scan {
            true => FilterPushdown::while_running().optimize(plan, config).ok(),
            false => Some(plan),
        }
    }

    /// The table without rows that the template reads.
    fn plan_table(&self) -> Option<Arc<StoredTable>> {
        Some(Arc::clone(only_scan(&self.plan)?.table()))
    }

    /// Tells whether constants may be filled in without asking the planner: each is that of the template, or one that
    /// may vary.
    pub(super) fn may_take(&self, comparisons: &[Comparison]) -> bool {
        let known = self.values.iter().zip(&self.may_vary);
        let mut given = comparisons.iter().zip(known);
        given.all(|(one, (value, may_vary))| *may_vary || one.value == *value)
    }

    /// Learns from what the planner made of other constants: whether it is the same plan. Of constants that cannot be
    /// filled in nothing is learned.
    pub(super) fn compare(
        &mut self,
        planned: &Arc<dyn ExecutionPlan>,
        comparisons: &[Comparison],
        config: &ConfigOptions,
    ) -> bool {
        let nothing = self.plan_table();
        let filled = nothing.and_then(|table| self.filled(&table, comparisons, config));
        let Some(filled) = filled else {
            return true;
        };
        if told(&filled) != told(planned) {
            return false;
        }
        let known = self.values.iter().zip(&mut self.may_vary);
        for (one, (value, may_vary)) in comparisons.iter().zip(known) {
            *may_vary |= one.value != *value;
        }
        true
    }
}

/// All that a plan tells of itself.
fn told(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(true).to_string()
}

/// The scan of a plan without other leaves, all of whose nodes can be made anew to run again.
fn only_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&SliceScanExec> {
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        return Some(scan);
    }
    // MIN and MAX may tell their scan which rows cannot be it; such a node cannot be made to begin anew.
    let tells = !plan.dynamic_expressions_produced().is_empty();
    let is_known = plan.is::<ProjectionExec>()
        || (plan.is::<AggregateExec>() && !tells)
        || plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<SortPreservingMergeExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<SortExec>();
    match plan.children().as_slice() {
        [child] if is_known => only_scan(child),
        _ => None,
    }
}

/// The filters of a scan that do not change while it runs.
fn known_filters(scan: &SliceScanExec) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
    let filters = scan.filters().iter();
    filters.filter(|one| snapshot_generation(one) == 0)
}

/// The table without the rows, whose files it would hold on to.
fn without_rows(table: &StoredTable) -> StoredTable {
    StoredTable {
        version: Arc::new(TableVersion {
            row_groups: Arc::default(),
            moves: Arc::default(),
            ..TableVersion::clone(&table.version)
        }),
        ..table.clone()
    }
}

/// Makes every node of a plan anew, the scan over `table` and with other constants.
fn rebuilt(
    plan: &Arc<dyn ExecutionPlan>,
    table: &Arc<StoredTable>,
    filler: &mut Filler<'_>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        let filters = known_filters(scan).map(|one| filler.filled(one));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        return Ok(Arc::new(scan.over(Arc::clone(table), filters)));
    }
    let children = plan.children().into_iter();
    let children = children.map(|child| rebuilt(child, table, filler));
    let children = children.collect::<Result<Vec<_>>>()?;
    let keep = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    let made = Arc::clone(plan).replace_children(children, keep)?;
    match made.is::<SortExec>() {
        true => made.reset_state(),
        false => Ok(made),
    }
}

/// A comparison of a column with a literal, the column on the left.
fn comparison(binary: &BinaryExpr) -> Option<(&str, Operator, &Literal)> {
    let operator = *binary.op();
    if !is_comparison(operator) {
        return None;
    }
    let (left, right) = (binary.left(), binary.right());
    match (column_of(left), right.downcast_ref::<Literal>()) {
        (Some(column), Some(literal)) => Some((column, operator, literal)),
        _ => {
            let literal = left.downcast_ref::<Literal>()?;
            Some((column_of(right)?, operator.swap()?, literal))
        }
    }
}

fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<&str> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return column_of(cast.expr());
    }
    expr.downcast_ref::<Column>().map(Column::name)
}

/// Finds the constants of a query in the filters of a scan.
struct Finder<'a> {
    comparisons: &'a [Comparison],
    slots: Vec<Option<usize>>,
    /// Whether no literal could be two of them.
    is_clear: bool,
}

impl Finder<'_> {
    fn look_at(&mut self, expr: &Arc<dyn PhysicalExpr>) {
        let binary = expr.downcast_ref::<BinaryExpr>();
        let Some((column, operator, literal)) = binary.and_then(comparison) else {
            expr.children()
                .into_iter()
                .for_each(|child| self.look_at(child));
            return;
        };
        let is_it = |one: &Comparison| {
            one.column == column
                && one.operator == operator
                && placed(&one.value, literal).as_ref() == Some(literal.value())
        };
        let mut places = (0..).zip(self.comparisons).filter(|(_, one)| is_it(one));
        let first = places.next().map(|(place, _)| place);
        self.is_clear &= places.next().is_none();
        self.slots.push(first);
    }
}

/// Puts constants into the filters of a scan, in the order in which a [`Finder`] found them.
struct Filler<'a> {
    values: &'a [ScalarValue],
    slots: std::slice::Iter<'a, Option<usize>>,
}

impl Filler<'_> {
    fn filled(&mut self, expr: &Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let binary = expr.downcast_ref::<BinaryExpr>();
        let known = binary.and_then(|binary| Some((binary, comparison(binary)?)));
        let Some((binary, (_, _, literal))) = known else {
            let children = expr.children();
            if children.is_empty() {
                return Ok(Arc::clone(expr));
            }
            let children = children.into_iter().map(|child| self.filled(child));
            let children = children.collect::<Result<Vec<_>>>()?;
            return Arc::clone(expr).with_new_children(children);
        };
        let Some(slot) = self.slots.next() else {
            return internal_err!("a filter has more constants than its template");
        };
        let value = slot.and_then(|slot| self.values.get(slot));
        let Some(value) = value else {
            return Ok(Arc::clone(expr));
        };
        let Some(value) = placed(value, literal) else {
            return internal_err!("a constant cannot stand where another stood");
        };
        let filled = |side: &Arc<dyn PhysicalExpr>| match side.is::<Literal>() {
            true => Arc::new(Literal::new(value.clone())) as Arc<dyn PhysicalExpr>,
            false => Arc::clone(side),
        };
        let children = vec![filled(binary.left()), filled(binary.right())];
        Arc::clone(expr).with_new_children(children)
    }
}

/// The value as the planner would put it in the place of a literal; `None` if it is not exactly the same there, or the
/// literal is more than a value.
fn placed(value: &ScalarValue, literal: &Literal) -> Option<ScalarValue> {
    let is_bare = |literal: &Literal| {
        let field = literal.return_field(&Schema::empty());
        field.is_ok_and(|field| field.metadata().is_empty())
    };
    if !is_bare(literal) {
        return None;
    }
    let (from, to) = (value.data_type(), literal.value().data_type());
    if from == to {
        return Some(value.clone());
    }
    let placed = value.cast_to(&to).ok().filter(|placed| !placed.is_null())?;
    let back = placed.cast_to(&from).ok()?;
    (back == *value).then_some(placed)
}
