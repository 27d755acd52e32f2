//! `EXISTS (...)` and `x IN (...)` as values: in a select list, in an argument of an aggregate, in GROUP BY.
//!
//! The engine joins them only in conditions, and there takes null for false, which is right only where a row is kept for
//! what is true: not under NOT, IS NULL or CASE. Here they become counts, which it joins everywhere: `x IN (SELECT y ...)`
//! is true if some `y = x`, false if there is no row, null if `x` or some `y` is null, and else false.
//! A subquery below an aggregate, in ORDER BY or in the condition of an inner join is computed by a projection under it,
//! or by a filter above.
//!
//! A subquery that may give several rows for one of the outer query gives its first beside the count of them, so that
//! more than one is an error, and that only for rows of the outer query.
//! `x NOT IN (SELECT y ...)` that depends on the outer row is NOT EXISTS of a `y` that is `x` or may be.

use blueshift_sql::function::one_row::one_row;
use datafusion::common::tree_node::{
    Transformed, TransformedResult, TreeNode, TreeNodeContainer, TreeNodeRecursion,
};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{count, first_value};
use datafusion::logical_expr::expr::{Exists, InSubquery, Sort as SortKey};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, Sort, Subquery, binary_expr, lit, when,
};
use std::sync::Arc;

/// What the computed subqueries are called; a user's name begins otherwise.
const VALUE: &str = "__subquery_value_";

/// Settles them all.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut any = false;
    plan.apply_with_subqueries(|node| {
        if matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Join(_)
        ) {
            node.apply_expressions(|expr| {
                any |= expr.exists(|part| Ok(subquery_of(part).is_some()))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(match any {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    if !any {
        return Ok(plan);
    }
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Projection(projection) => counted(projection).map(Transformed::yes),
        LogicalPlan::Aggregate(aggregate) => computed(aggregate),
        LogicalPlan::Filter(filter) => filtered(filter),
        LogicalPlan::Sort(sort) => sorted(sort),
        LogicalPlan::Join(join) => joined(join),
        other => Ok(Transformed::no(other)),
    })
    .data()
}

/// Computes what is sorted by under the sort.
fn sorted(sort: Sort) -> Result<Transformed<LogicalPlan>> {
    let is_computed = |key: &SortKey| key.expr.exists(|part| Ok(subquery_of(part).is_some()));
    if !sort
        .expr
        .iter()
        .map(is_computed)
        .collect::<Result<Vec<_>>>()?
        .contains(&true)
    {
        return Ok(Transformed::no(LogicalPlan::Sort(sort)));
    }
    let kept: Vec<Expr> = sort
        .input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let mut exprs = kept.clone();
    let mut keys = Vec::with_capacity(sort.expr.len());
    for (place, key) in sort.expr.into_iter().enumerate() {
        if !is_computed(&key)? {
            keys.push(key);
            continue;
        }
        let name = format!("{VALUE}{place}");
        exprs.push(key.expr.alias(name.clone()));
        keys.push(SortKey {
            expr: Expr::Column(Column::new_unqualified(name)),
            ..key
        });
    }
    let input = counted(Projection::try_new(exprs, sort.input)?)?;
    let sorted = LogicalPlan::Sort(Sort {
        expr: keys,
        input: Arc::new(input),
        fetch: sort.fetch,
    });
    let plan = Projection::try_new(kept, Arc::new(sorted))?;
    Ok(Transformed::yes(LogicalPlan::Projection(plan)))
}

/// Asks above an inner join for what its condition asks with a subquery.
fn joined(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let asks = |expr: &Expr| expr.exists(|part| Ok(subquery_of(part).is_some()));
    let condition = match &join.filter {
        Some(filter) if join.join_type == JoinType::Inner && asks(filter)? => filter.clone(),
        _ => return Ok(Transformed::no(LogicalPlan::Join(join))),
    };
    join.filter = None;
    let filter = Filter::try_new(condition, Arc::new(LogicalPlan::Join(join)))?;
    filtered(filter).map(|filtered| Transformed::yes(filtered.data))
}

/// Puts the first row beside the number of rows in the place of subqueries that may give several.
fn single(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::ScalarSubquery(subquery)
            if !subquery.outer_ref_columns.is_empty() && !gives_one_row(&subquery.subquery) =>
        {
            let plan = subquery.subquery.as_ref();
            let item = Expr::from(plan.schema().qualified_field(0));
            let first = first_value(item, Vec::new());
            let value = aggregated(&subquery, plan.clone(), first, |first| first)?;
            let number = aggregated(&subquery, plan.clone(), count(lit(1_i64)), |number| number)?;
            Ok(Transformed::yes(one_row().call(vec![value, number])))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Tells whether a subquery gives no more than one row, or the engine says of it what is wrong.
pub(super) fn gives_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => gives_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => gives_one_row(&alias.input),
        LogicalPlan::Filter(filter) => gives_one_row(&filter.input),
        LogicalPlan::Sort(sort) => gives_one_row(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        other => other.max_rows().is_some_and(|rows| rows <= 1),
    }
}

fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty() => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(search) => Some(&search.subquery),
        _ => None,
    }
}

/// Puts counts in the place of the tests in a select list.
fn counted(projection: Projection) -> Result<LogicalPlan> {
    let schema = Arc::clone(projection.input.schema());
    let exprs = projection.expr.into_iter().map(|expr| {
        let name = NamePreserver::new_for_projection().save(&expr);
        let counted = expr.transform_up(|part| match part {
            Expr::Exists(exists) => existence(&exists).map(Transformed::yes),
            Expr::InSubquery(search) if !holds_subquery(&search.expr)? => {
                membership(search, &schema).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(name.restore(single(counted.data)?.data))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    Projection::try_new(exprs, projection.input).map(LogicalPlan::Projection)
}

/// Leaves the tests that the engine joins rightly, and puts counts in the place of the others.
fn filtered(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(filter.input.schema());
    let kept = kept(filter.predicate, true, &schema)?.transform_data(single)?;
    if !kept.transformed {
        let filter = Filter::try_new(kept.data, filter.input)?;
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let filter = Filter::try_new(kept.data, filter.input)?;
    Ok(Transformed::yes(LogicalPlan::Filter(filter)))
}

/// Walks through AND and OR, where null may stand for false; `alone` says that only ANDs were met.
fn kept(expr: Expr, alone: bool, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::And | Operator::Or) =>
        {
            let alone = alone && op == Operator::And;
            let left = kept(*left, alone, schema)?;
            let right = kept(*right, alone, schema)?;
            let changed = left.transformed || right.transformed;
            let expr = binary_expr(left.data, op, right.data);
            Ok(Transformed::new(expr, changed, TreeNodeRecursion::Continue))
        }
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(search) => {
                let search = InSubquery::new(search.expr, search.subquery, !search.negated);
                kept(Expr::InSubquery(search), alone, schema)
                    .map(|kept| Transformed::yes(kept.data))
            }
            other => tested(Expr::Not(Box::new(other)), schema),
        },
        Expr::InSubquery(search)
            if alone
                && search.negated
                && !search.subquery.outer_ref_columns.is_empty()
                && !holds_subquery(&search.expr)? =>
        {
            absence(&search, schema).map(Transformed::yes)
        }
        Expr::InSubquery(search) if alone || !search.negated => {
            Ok(Transformed::no(Expr::InSubquery(search)))
        }
        other => tested(other, schema),
    }
}

/// Puts counts in the place of every `IN (...)`.
fn tested(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::InSubquery(search) if !holds_subquery(&search.expr)? => {
            membership(search, schema).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    })
}

fn holds_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|part| Ok(subquery_of(part).is_some() || matches!(part, Expr::ScalarSubquery(_))))
}

/// Whether there are rows: `compare(count)` of a subquery.
fn rows(
    subquery: &Subquery,
    plan: LogicalPlan,
    compare: impl FnOnce(Expr) -> Expr,
) -> Result<Expr> {
    aggregated(subquery, plan, count(lit(1_i64)), compare)
}

/// A subquery that gives `finish(aggregate)` of the rows of a plan.
fn aggregated(
    subquery: &Subquery,
    plan: LogicalPlan,
    aggregate: Expr,
    finish: impl FnOnce(Expr) -> Expr,
) -> Result<Expr> {
    let plan = LogicalPlanBuilder::from(plan)
        .aggregate(Vec::<Expr>::new(), vec![aggregate.clone()])?
        .project(vec![finish(aggregate)])?
        .build()?;
    Ok(Expr::ScalarSubquery(replaced(subquery, plan)))
}

/// A subquery with another plan.
fn replaced(subquery: &Subquery, plan: LogicalPlan) -> Subquery {
    Subquery {
        outer_ref_columns: plan.all_out_ref_exprs(),
        subquery: Arc::new(plan),
        spans: subquery.spans.clone(),
    }
}

fn existence(exists: &Exists) -> Result<Expr> {
    let plan = exists.subquery.subquery.as_ref().clone();
    rows(&exists.subquery, plan, |number| match exists.negated {
        true => number.eq(lit(0_i64)),
        false => number.gt(lit(0_i64)),
    })
}

/// `x NOT IN (...)` in a condition: there is no row that is `x`, and none of which that is not known.
fn absence(search: &InSubquery, schema: &DFSchema) -> Result<Expr> {
    let plan = search.subquery.subquery.as_ref();
    let item = Expr::from(plan.schema().qualified_field(0));
    let condition = Expr::IsNotFalse(Box::new(item.eq(outer(&search.expr, schema)?)));
    let plan = LogicalPlanBuilder::from(plan.clone())
        .filter(condition)?
        .build()?;
    Ok(Expr::Exists(Exists::new(
        replaced(&search.subquery, plan),
        true,
    )))
}

/// An expression over the rows of the outer query, as a subquery sees it.
fn outer(expr: &Expr, schema: &DFSchema) -> Result<Expr> {
    let seen = expr.clone().transform_up(|part| match part {
        Expr::Column(column) => {
            let field = Arc::clone(schema.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(seen.data)
}

fn membership(search: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let subquery = &search.subquery;
    let plan = subquery.subquery.as_ref();
    let item = Expr::from(plan.schema().qualified_field(0));
    let outer = outer(&search.expr, schema)?;
    let some = |condition: Option<Expr>| {
        let rows_of = match condition {
            Some(condition) => LogicalPlanBuilder::from(plan.clone())
                .filter(condition)?
                .build()?,
            None => plan.clone(),
        };
        rows(subquery, rows_of, |number| number.gt(lit(0_i64)))
    };
    let found = some(Some(item.clone().eq(outer)))?;
    let unknown = search.expr.is_null().or(some(Some(item.is_null()))?);
    when(found, lit(!search.negated))
        .when(!some(None)?, lit(search.negated))
        .when(unknown, Expr::Literal(ScalarValue::Boolean(None), None))
        .otherwise(lit(search.negated))
}

/// Computes the subqueries in groups and arguments of an aggregate under it.
fn computed(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let mut values: Vec<Expr> = Vec::new();
    let mut replace = |expr: Expr| {
        let name = NamePreserver::new_for_projection().save(&expr);
        let replaced = expr.transform_down(|part| {
            if subquery_of(&part).is_none() {
                return Ok(Transformed::no(part));
            }
            let place = match values.iter().position(|value| *value == part) {
                Some(place) => place,
                None => {
                    values.push(part);
                    values.len() - 1
                }
            };
            let column = Column::new_unqualified(format!("{VALUE}{place}"));
            Ok(Transformed::new(
                Expr::Column(column),
                true,
                TreeNodeRecursion::Jump,
            ))
        })?;
        Ok(replaced.update_data(|expr| name.restore(expr)))
    };
    let groups = aggregate.group_expr.clone().map_elements(&mut replace)?;
    let arguments = aggregate.aggr_expr.clone().map_elements(&mut replace)?;
    if values.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let kept = aggregate.input.schema().columns();
    let values = values
        .into_iter()
        .enumerate()
        .map(|(place, value)| value.alias(format!("{VALUE}{place}")));
    let exprs = kept.into_iter().map(Expr::Column).chain(values).collect();
    let input = counted(Projection::try_new(exprs, aggregate.input)?)?;
    let aggregate = Aggregate::try_new(Arc::new(input), groups.data, arguments.data)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
}
