//! Estimates of physical plans.

use super::logical::comparison_of;
use super::predicate::{self, Predicate, Term};
use super::{ColumnEstimate, Estimate, JoinKey, ROWS_UNKNOWN};
use blueshift_compute::external;
use blueshift_compute::operator::secure::SecureExec;
use blueshift_compute::operator::spilling_join::hash_join_of;
use blueshift_compute::scan::SliceScanExec;
use blueshift_sql::function::as_is;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinSide, JoinType};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr,
    LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, split_conjunction};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::union::UnionExec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Estimates what a plan gives, over all its partitions.
pub fn estimate(plan: &dyn ExecutionPlan) -> Estimate {
    let children = plan.children();
    let inputs: Vec<Estimate> = children
        .iter()
        .map(|child| estimate(child.as_ref()))
        .collect();
    of_node(plan, &inputs)
}

/// Estimates one node from the estimates of its inputs.
pub fn of_node(plan: &dyn ExecutionPlan, inputs: &[Estimate]) -> Estimate {
    let schema = plan.schema();
    let estimate = match inputs {
        [] => of_leaf(plan),
        [input] => of_unary(plan, input),
        [left, right] => of_binary(plan, left, right),
        _ => of_many(plan, inputs),
    };
    let estimate = match plan.fetch() {
        Some(fetch) => estimate.limit(fetch),
        None => estimate,
    };
    fitted(estimate, &schema)
}

fn fitted(mut estimate: Estimate, schema: &Schema) -> Estimate {
    let rows = estimate.rows;
    estimate.columns.truncate(schema.fields().len());
    for field in schema.fields().iter().skip(estimate.columns.len()) {
        estimate
            .columns
            .push(ColumnEstimate::computed(field.data_type(), rows));
    }
    estimate
}

fn of_leaf(plan: &dyn ExecutionPlan) -> Estimate {
    let schema = plan.schema();
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        return of_scan(scan);
    }
    if let Some(scan) = external::scan_of(plan) {
        return of_external(plan, scan.row_count);
    }
    let statistics = StatisticsContext::new().compute(plan, &StatisticsArgs::new());
    let table = match statistics {
        Ok(statistics) => Estimate::of_statistics(&schema, &statistics),
        Err(_) => Estimate::unknown(&schema, ROWS_UNKNOWN),
    };
    let filters = pushed_filters(plan);
    if filters.is_empty() {
        return table;
    }
    predicate::filter(
        table,
        Predicate::And(filters.iter().map(translate).collect()),
    )
}

/// The columns of an external table are not known; the rows are as many as its property says.
fn of_external(plan: &dyn ExecutionPlan, rows: Option<u64>) -> Estimate {
    let rows = rows.map_or(external::ROWS_UNKNOWN as f64, |rows| rows as f64);
    let filters = pushed_filters(plan);
    let kept = match external::filter_schema_of(plan) {
        Some(schema) if !filters.is_empty() => {
            let conditions = filters.iter().map(translate).collect();
            let table = Estimate::unknown(&schema, rows);
            predicate::filter(table, Predicate::And(conditions)).rows
        }
        _ => rows,
    };
    Estimate::unknown(&plan.schema(), kept)
}

/// A scan's conditions are on the table's columns, of which it may give but some.
fn of_scan(scan: &SliceScanExec) -> Estimate {
    let stored = scan.table();
    let filters = pushed_filters(scan);
    // What is neither given nor looked at is not asked for.
    let mut used: BTreeSet<usize> = scan.projection().iter().copied().collect();
    for filter in &filters {
        used.extend(collect_columns(filter).iter().map(Column::index));
    }
    let table = match stored.row_count() {
        Ok(rows) => Estimate::of_stored(stored, rows, &used).with_values(&stored.values),
        Err(_) => Estimate::unknown(&stored.schema, ROWS_UNKNOWN),
    };
    let kept = match filters.is_empty() {
        true => table,
        false => predicate::filter(
            table,
            Predicate::And(filters.iter().map(translate).collect()),
        ),
    };
    kept.project(scan.projection())
}

/// Lists the conditions a scan took over, without those the engine adds while it runs.
pub fn pushed_filters(plan: &dyn ExecutionPlan) -> Vec<Arc<dyn PhysicalExpr>> {
    if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
        let known = scan.filters().iter().filter(|filter| !is_dynamic(filter));
        return known.cloned().collect();
    }
    if external::scan_of(plan).is_some() {
        let filter = external::filter_of(plan);
        let known = filter.iter().flat_map(split_conjunction);
        return known.filter(|one| !is_dynamic(one)).cloned().collect();
    }
    let mut filters = Vec::new();
    let visited = plan.apply_expressions(&mut |expr| {
        let boolean = expr
            .data_type(&plan.schema())
            .is_ok_and(|found| found == DataType::Boolean);
        if boolean && !is_dynamic(expr) {
            filters.push(Arc::clone(expr));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if visited.is_err() {
        Vec::new()
    } else {
        filters
    }
}

/// Whether a condition is one the engine adds while it runs.
pub fn is_dynamic(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.exists(|part| Ok(part.downcast_ref::<DynamicFilterPhysicalExpr>().is_some()))
        .unwrap_or(false)
}

fn of_unary(plan: &dyn ExecutionPlan, input: &Estimate) -> Estimate {
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let kept = predicate::filter(input.clone(), translate(filter.predicate()));
        return match filter.projection() {
            Some(columns) => kept.project(columns),
            None => kept,
        };
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let columns = projection
            .expr()
            .iter()
            .map(|item| column_of(&item.expr, &projection.input().schema(), input))
            .collect();
        return Estimate {
            columns,
            ..input.clone()
        };
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let input_schema = aggregate.input().schema();
        let keys = aggregate
            .group_expr()
            .expr()
            .iter()
            .map(|(expr, _)| column_of(expr, &input_schema, input))
            .collect();
        return input.group(keys, Vec::new());
    }
    if let Some(secure) = plan.downcast_ref::<SecureExec>()
        && !secure.protected().is_shown
    {
        // What is expected of rows that the user may not see would tell of them.
        return Estimate::unknown(&plan.schema(), ROWS_UNKNOWN);
    }
    input.clone()
}

fn of_binary(plan: &dyn ExecutionPlan, left: &Estimate, right: &Estimate) -> Estimate {
    if let Some(join) = hash_join_of(plan) {
        let joined = of_keys(
            join.on(),
            join.filter(),
            *join.join_type(),
            (left, right),
            join.children(),
        );
        return match &join.projection {
            Some(columns) => joined.project(columns),
            None => joined,
        };
    }
    if let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() {
        return of_keys(
            join.on(),
            join.filter().as_ref(),
            join.join_type(),
            (left, right),
            join.children(),
        );
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        let joined = of_keys(
            &[],
            join.filter(),
            *join.join_type(),
            (left, right),
            join.children(),
        );
        return match join.projection() {
            Some(columns) => joined.project(columns),
            None => joined,
        };
    }
    if plan.downcast_ref::<CrossJoinExec>().is_some() {
        return super::join(left, right, &[], 1.0, JoinType::Inner);
    }
    of_many(plan, &[left.clone(), right.clone()])
}

fn of_many(plan: &dyn ExecutionPlan, inputs: &[Estimate]) -> Estimate {
    if plan.downcast_ref::<UnionExec>().is_none() {
        return Estimate::unknown(&plan.schema(), ROWS_UNKNOWN);
    }
    let mut sum = Estimate {
        known: true,
        ..Estimate::unknown(&plan.schema(), 0.0)
    };
    for input in inputs {
        sum.rows += input.rows;
        sum.known &= input.known;
        for (total, column) in sum.columns.iter_mut().zip(&input.columns) {
            total.distinct = total.distinct.max(column.distinct);
        }
    }
    sum
}

fn of_keys(
    on: &[(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)],
    filter: Option<&JoinFilter>,
    join_type: JoinType,
    (left, right): (&Estimate, &Estimate),
    children: Vec<&Arc<dyn ExecutionPlan>>,
) -> Estimate {
    let schemas: Vec<_> = children.iter().map(|child| child.schema()).collect();
    let [left_schema, right_schema] = schemas.as_slice() else {
        return left.clone();
    };
    let mut columns: Vec<_> = on
        .iter()
        .map(|(l, r)| {
            (
                column_of(l, left_schema, left),
                column_of(r, right_schema, right),
            )
        })
        .collect();
    // An equality of both sides is a key, wherever it is tested.
    let (pairs, rest) = filter.map(split_filter).unwrap_or_default();
    for (l, r) in pairs {
        if let (Some(l), Some(r)) = (left.columns.get(l), right.columns.get(r)) {
            columns.push((l.clone(), r.clone()));
        }
    }
    let keys: Vec<_> = columns
        .iter()
        .map(|(left, right)| JoinKey { left, right })
        .collect();
    let share = filter.map_or(1.0, |filter| filter_share(filter, &rest, left, right));
    super::join(left, right, &keys, share, join_type)
}

/// Columns of the left and the right side that a join filter wants equal, by their places.
type ColumnPairs = Vec<(usize, usize)>;

/// Takes the equalities between two columns, one of each side, out of a join filter.
fn split_filter(filter: &JoinFilter) -> (ColumnPairs, Vec<&Arc<dyn PhysicalExpr>>) {
    let mut pairs = Vec::new();
    let mut rest = Vec::new();
    for part in split_conjunction(filter.expression()) {
        match equal_columns(part, filter) {
            Some(pair) => pairs.push(pair),
            None => rest.push(part),
        }
    }
    (pairs, rest)
}

/// Reads `left column = right column` in a join filter: the places of both in their sides.
pub fn equal_columns(part: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Option<(usize, usize)> {
    let equality = part.downcast_ref::<BinaryExpr>()?;
    if *equality.op() != Operator::Eq {
        return None;
    }
    let place = |expr: &Arc<dyn PhysicalExpr>| {
        let column = expr.downcast_ref::<Column>()?;
        filter.column_indices().get(column.index())
    };
    let (one, other) = (place(equality.left())?, place(equality.right())?);
    match (one.side, other.side) {
        (JoinSide::Left, JoinSide::Right) => Some((one.index, other.index)),
        (JoinSide::Right, JoinSide::Left) => Some((other.index, one.index)),
        _ => None,
    }
}

/// The share of pairs for which these parts of a join filter hold.
fn filter_share(
    filter: &JoinFilter,
    parts: &[&Arc<dyn PhysicalExpr>],
    left: &Estimate,
    right: &Estimate,
) -> f64 {
    if parts.is_empty() {
        return 1.0;
    }
    let columns = filter
        .column_indices()
        .iter()
        .zip(filter.schema().fields())
        .map(|(place, field)| {
            let side = match place.side {
                JoinSide::Left => left.columns.get(place.index),
                JoinSide::Right => right.columns.get(place.index),
                JoinSide::None => None,
            };
            side.cloned()
                .unwrap_or_else(|| ColumnEstimate::computed(field.data_type(), 10.0))
        })
        .collect();
    let both = Estimate {
        rows: left.rows * right.rows,
        columns,
        known: left.known && right.known,
    };
    let parts = parts.iter().map(|part| translate(part)).collect();
    predicate::selectivity(&both, &Predicate::And(parts))
}

fn column_of(expr: &Arc<dyn PhysicalExpr>, schema: &Schema, input: &Estimate) -> ColumnEstimate {
    let expr = plain(expr);
    if let Some(column) = expr.downcast_ref::<Column>()
        && let Some(found) = input.columns.get(column.index())
    {
        return found.clone();
    }
    let mut distinct = 1.0;
    for column in collect_columns(expr) {
        distinct *= input
            .columns
            .get(column.index())
            .map_or(input.rows, |found| found.distinct);
    }
    let most = match expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(function) if matches!(function.name(), "date_part" | "extract" | "date_part_year") => {
            10.0
        }
        _ => input.rows,
    };
    let data_type = expr.data_type(schema).unwrap_or(DataType::Int64);
    ColumnEstimate::computed(&data_type, f64::min(distinct, most))
}

fn plain(expr: &Arc<dyn PhysicalExpr>) -> &Arc<dyn PhysicalExpr> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return plain(cast.expr());
    }
    match expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(function) if function.name() == as_is::NAME => {
            function.args().first().map_or(expr, plain)
        }
        _ => expr,
    }
}

/// Translates a condition.
pub fn translate(expr: &Arc<dyn PhysicalExpr>) -> Predicate {
    if expr.downcast_ref::<DynamicFilterPhysicalExpr>().is_some() {
        return Predicate::Ignored;
    }
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return match binary.op() {
            Operator::And => {
                Predicate::And(vec![translate(binary.left()), translate(binary.right())])
            }
            Operator::Or => {
                Predicate::Or(vec![translate(binary.left()), translate(binary.right())])
            }
            other => match comparison_of(*other) {
                Some(comparison) => {
                    Predicate::Compare(term(binary.left()), comparison, term(binary.right()))
                }
                None => Predicate::Unknown,
            },
        };
    }
    if let Some(not) = expr.downcast_ref::<NotExpr>() {
        return Predicate::Not(Box::new(translate(not.arg())));
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        return negated(Predicate::In(term(list.expr()), list.len()), list.negated());
    }
    if let Some(like) = expr.downcast_ref::<LikeExpr>() {
        let pattern = like
            .pattern()
            .downcast_ref::<Literal>()
            .and_then(|literal| literal.value().try_as_str().flatten().map(Predicate::like));
        return negated(pattern.unwrap_or(Predicate::Unknown), like.negated());
    }
    if let Some(null) = expr.downcast_ref::<IsNullExpr>() {
        return Predicate::IsNull(term(null.arg()));
    }
    if let Some(null) = expr.downcast_ref::<IsNotNullExpr>() {
        return Predicate::Not(Box::new(Predicate::IsNull(term(null.arg()))));
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return match literal.value() {
            datafusion::common::ScalarValue::Boolean(Some(value)) => Predicate::Constant(*value),
            _ => Predicate::Constant(false),
        };
    }
    Predicate::Unknown
}

fn negated(predicate: Predicate, negated: bool) -> Predicate {
    if negated {
        Predicate::Not(Box::new(predicate))
    } else {
        predicate
    }
}

fn term(expr: &Arc<dyn PhysicalExpr>) -> Term {
    let expr = plain(expr);
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Term::Column(column.index());
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return match literal.value() {
            value if value.is_null() => Term::Null,
            value => Term::Constant(super::number_of(value)),
        };
    }
    let columns = collect_columns(expr);
    let mut columns = columns.iter();
    match (columns.next(), columns.next()) {
        (Some(column), None) => Term::Function(column.index()),
        _ => Term::Other,
    }
}
