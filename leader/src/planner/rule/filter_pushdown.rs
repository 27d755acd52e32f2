//! `FilterPushdown`: sends filters, also those a join or a top-N makes while running, down to the scans, by the
//! position of columns.
//!
//! Takes the place of the engine's rule of the same name, which finds a filter's column in a child by its *name*.
//! Below the optimizer columns have no qualifier: in `a JOIN b` with a `k` on both sides a filter on `b.k` then arrives
//! at `a.k`, and rows are lost. Joins whose sides were swapped, and joins over joins, are such plans.

use blueshift_compute::operator::null_side::NullSideExec;
use blueshift_compute::operator::spilling_join::hash_join_of;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{HashMap, HashSet, JoinSide, JoinType, internal_err};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterPushdownResult, ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
    PushedDown,
};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::build_join_schema;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use std::sync::Arc;

type Filter = Arc<dyn PhysicalExpr>;
type Plan = Arc<dyn ExecutionPlan>;

/// The rule. See the module.
#[derive(Debug)]
pub struct FilterPushdown {
    phase: FilterPushdownPhase,
}

impl FilterPushdown {
    /// Gives the rule that sends down filters that operators make while they run.
    pub fn while_running() -> Self {
        let phase = FilterPushdownPhase::Post;
        Self { phase }
    }

    /// Gives the rule that stands for the engine's rule of this name, if it is one of its two.
    pub fn in_place_of(name: &str) -> Option<Self> {
        let phase = match name {
            "FilterPushdown" => FilterPushdownPhase::Pre,
            "FilterPushdown(Post)" => FilterPushdownPhase::Post,
            _ => return None,
        };
        Some(Self { phase })
    }
}

impl PhysicalOptimizerRule for FilterPushdown {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        let result = push(&plan, Vec::new(), config, self.phase)?;
        Ok(result.updated_node.unwrap_or(plan))
    }

    fn name(&self) -> &str {
        match self.phase {
            FilterPushdownPhase::Pre => "FilterPushdown",
            FilterPushdownPhase::Post => "FilterPushdown(Post)",
        }
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Pushes `filters`, over the columns of `node`, into it and below; tells of each whether it need not be tested above.
fn push(
    node: &Plan,
    filters: Vec<Filter>,
    config: &ConfigOptions,
    phase: FilterPushdownPhase,
) -> Result<FilterPushdownPropagation<Plan>> {
    let children: Vec<Plan> = node.children().into_iter().map(Arc::clone).collect();
    if !children.is_empty() && refuses(node) && !filters.is_empty() {
        let refused = vec![PushedDown::No; filters.len()];
        let mut result = push(node, Vec::new(), config, phase)?;
        result.filters = refused;
        return Ok(result);
    }
    // What the node itself wants below; where its columns come from decides about the filters from above.
    let own = match forgets(node) {
        true => vec![Vec::new(); children.len()],
        false => node
            .gather_filters_for_pushdown(phase, Vec::new(), config)?
            .self_filters(),
    };
    if own.len() != children.len() {
        return internal_err!("{} tells of {} inputs", node.name(), own.len());
    }
    let mut own_results = Vec::with_capacity(children.len());
    let mut outcomes = vec![Vec::with_capacity(children.len()); filters.len()];
    let mut new_children = Vec::with_capacity(children.len());
    for (index, (child, own)) in children.iter().zip(own).enumerate() {
        let origin = origin(node, index);
        // For each predicate given to the child: the own filter or the filter from above it stands for.
        let mut given = Vec::new();
        let mut predicates = Vec::new();
        for (position, filter) in own.iter().enumerate() {
            if is_stable(filter)? {
                given.push((true, position));
                predicates.push(Arc::clone(filter));
            }
        }
        for (position, filter) in filters.iter().enumerate() {
            if is_stable(filter)?
                && let Some(filter) = translate(filter, &origin)?
            {
                given.push((false, position));
                predicates.push(filter);
            }
        }
        let result = push(child, predicates, config, phase)?;
        if result.filters.len() != given.len() {
            return internal_err!("{} answers not for every filter", child.name());
        }
        let mut own_outcome = vec![PushedDown::No; own.len()];
        for outcome in &mut outcomes {
            outcome.push(PushedDown::No);
        }
        for ((is_own, position), outcome) in given.into_iter().zip(result.filters) {
            let place = if is_own {
                own_outcome.get_mut(position)
            } else {
                outcomes
                    .get_mut(position)
                    .and_then(|outcome| outcome.get_mut(index))
            };
            if let Some(place) = place {
                *place = outcome;
            }
        }
        own_results.push(
            own.into_iter()
                .zip(own_outcome)
                .map(|(filter, outcome)| outcome.wrap_expression(filter))
                .collect(),
        );
        new_children.push(result.updated_node.unwrap_or_else(|| Arc::clone(child)));
    }
    let updated = replace_children_if_necessary(Arc::clone(node), new_children)?;
    let parent_filters = filters
        .into_iter()
        .zip(outcomes)
        .map(|(filter, child_results)| ChildFilterPushdownResult {
            filter,
            child_results,
        })
        .collect();
    let mut result = updated.handle_child_pushdown_result(
        phase,
        ChildPushdownResult {
            parent_filters,
            self_filters: own_results,
        },
        config,
    )?;
    if result.updated_node.is_none() && !Arc::ptr_eq(&updated, node) {
        result.updated_node = Some(updated);
    }
    Ok(result)
}

/// Tells whether no filter from above may enter a node: it takes filters over itself by the names of its input.
fn refuses(node: &Plan) -> bool {
    node.downcast_ref::<FilterExec>()
        .is_some_and(|filter| filter.projection().is_some() && !has_distinct_names(filter.input()))
}

fn has_distinct_names(plan: &Plan) -> bool {
    let schema = plan.schema();
    let mut seen = HashSet::new();
    schema
        .fields()
        .iter()
        .all(|field| seen.insert(field.name().clone()))
}

/// A filter with a random function is tested where it was written, once for each row.
fn is_stable(filter: &Filter) -> Result<bool> {
    let mut stable = true;
    filter.apply(|part| {
        stable = stable && !is_volatile(part);
        Ok(if stable {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    Ok(stable)
}

/// What one input of a node knows of the node's columns.
enum Origin {
    /// A filter may pass if all its columns are here: the node's column, and what it is in the input.
    Columns(HashMap<usize, Filter>),
    /// No filter may pass.
    Nothing,
}

/// Tells where the columns of `node` come from in its input `index`, as far as a filter over them may pass.
fn origin(node: &Plan, index: usize) -> Origin {
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let columns = projection.expr().iter().enumerate();
        return Origin::Columns(
            columns
                .map(|(position, column)| (position, Arc::clone(&column.expr)))
                .collect(),
        );
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        let count = filter.input().schema().fields().len();
        let shown: Vec<usize> = match filter.projection() {
            Some(projection) => projection.iter().copied().collect(),
            None => (0..count).collect(),
        };
        return Origin::Columns(named(filter.input(), shown.into_iter().enumerate()));
    }
    if let Some(join) = hash_join_of(node.as_ref()) {
        return join_origin(join, index);
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return aggregate_origin(aggregate);
    }
    let passes = node.is::<CoalescePartitionsExec>()
        || node.is::<RepartitionExec>()
        || node.is::<CooperativeExec>()
        || node.is::<NullSideExec>()
        || node.is::<UnionExec>()
        || node
            .downcast_ref::<SortExec>()
            .is_some_and(|sort| sort.fetch().is_none());
    let children = node.children();
    let Some(child) = children.get(index) else {
        return Origin::Nothing;
    };
    if passes {
        let count = child.schema().fields().len();
        return Origin::Columns(named(child, (0..count).map(|n| (n, n))));
    }
    Origin::Nothing
}

/// Gives the columns of `input` at the second of each pair, keyed by the first.
fn named(input: &Plan, pairs: impl Iterator<Item = (usize, usize)>) -> HashMap<usize, Filter> {
    let schema = input.schema();
    pairs
        .filter_map(|(outer, inner)| {
            let field = schema.fields().get(inner)?;
            let column: Filter = Arc::new(Column::new(field.name(), inner));
            Some((outer, column))
        })
        .collect()
}

/// A filter on the side whose rows all appear may go there; one on the key of a semi join to both.
fn join_origin(join: &HashJoinExec, index: usize) -> Origin {
    let (side, input) = if index == 0 {
        (JoinSide::Left, join.left())
    } else {
        (JoinSide::Right, join.right())
    };
    let keeps = match join.join_type() {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => true,
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => side == JoinSide::Left,
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => side == JoinSide::Right,
        JoinType::Full => false,
    };
    if !keeps {
        return Origin::Nothing;
    }
    let (_, all) = build_join_schema(
        &join.left().schema(),
        &join.right().schema(),
        join.join_type(),
    );
    let shown: Vec<_> = match &join.projection {
        Some(projection) => projection.iter().filter_map(|n| all.get(*n)).collect(),
        None => all.iter().collect(),
    };
    let mut pairs = Vec::new();
    for (outer, column) in shown.into_iter().enumerate() {
        if column.side == side {
            pairs.push((outer, column.index));
        } else if matches!(join.join_type(), JoinType::LeftSemi | JoinType::RightSemi) {
            // Every row shown has an equal key on the other side.
            let equal = join.on().iter().find_map(|(left, right)| {
                let (shown, other) = if side == JoinSide::Right {
                    (left, right)
                } else {
                    (right, left)
                };
                let shown = shown.downcast_ref::<Column>()?;
                let other = other.downcast_ref::<Column>()?;
                (shown.index() == column.index).then_some(other.index())
            });
            pairs.extend(equal.map(|inner| (outer, inner)));
        }
    }
    Origin::Columns(named(input, pairs.into_iter()))
}

/// A filter on grouping columns decides about whole groups, unless there is a group without rows.
fn aggregate_origin(aggregate: &AggregateExec) -> Origin {
    let grouping = aggregate.group_expr();
    let has_empty_set = grouping.is_true_no_grouping()
        || grouping
            .groups()
            .iter()
            .any(|absent| absent.iter().all(|absent| *absent));
    if has_empty_set {
        return Origin::Nothing;
    }
    let columns = grouping
        .expr()
        .iter()
        .enumerate()
        .filter(|(position, _)| {
            let absent = |set: &Vec<bool>| set.get(*position) == Some(&true);
            !grouping.groups().iter().any(absent)
        })
        .filter(|(_, (expression, _))| expression.is::<Column>())
        .map(|(position, (expression, _))| (position, Arc::clone(expression)))
        .collect();
    Origin::Columns(columns)
}

/// Rewrites a filter for an input, if all its columns are known there.
fn translate(filter: &Filter, origin: &Origin) -> Result<Option<Filter>> {
    let Origin::Columns(columns) = origin else {
        return Ok(None);
    };
    let mut known = true;
    let rewritten = Arc::clone(filter).transform_down(|part| {
        let Some(column) = part.downcast_ref::<Column>() else {
            return Ok(Transformed::no(part));
        };
        Ok(match columns.get(&column.index()) {
            // The expression is over the input: not to be entered again.
            Some(expression) => {
                Transformed::new(Arc::clone(expression), true, TreeNodeRecursion::Jump)
            }
            None => {
                known = false;
                Transformed::new(part, false, TreeNodeRecursion::Stop)
            }
        })
    })?;
    Ok(known.then_some(rewritten.data))
}

/// Tells whether the filter that an aggregate makes while running would drop rows it needs: that of `max(a), max(b + 1)`
/// knows the columns alone, and lets by only what is above the greatest `a`.
fn forgets(node: &Plan) -> bool {
    node.downcast_ref::<AggregateExec>()
        .is_some_and(|aggregate| {
            aggregate.aggr_expr().iter().any(|function| {
                let arguments = function.expressions();
                !matches!(arguments.as_slice(), [argument] if argument.is::<Column>())
            })
        })
}
