//! `EXISTS (...)` and `x IN (...)` as values: in a select list, in an argument of an aggregate, in GROUP BY.
//!
//! The engine joins them only in conditions, and there takes null for false, which is right only where a row is kept for
//! what is true: not under NOT, IS NULL or CASE. Here they become counts, which it joins everywhere: `x IN (SELECT y ...)`
//! is true if some `y = x`, false if there is no row, null if `x` or some `y` is null, and else false.
//! A subquery below an aggregate is computed by a projection under it.

use datafusion::common::tree_node::{
    Transformed, TransformedResult, TreeNode, TreeNodeContainer, TreeNodeRecursion,
};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection,
    Subquery, binary_expr, lit, when,
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
            LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Filter(_)
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
        other => Ok(Transformed::no(other)),
    })
    .data()
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
        Ok(name.restore(counted.data))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    Projection::try_new(exprs, projection.input).map(LogicalPlan::Projection)
}

/// Leaves the tests that the engine joins rightly, and puts counts in the place of the others.
fn filtered(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(filter.input.schema());
    let kept = kept(filter.predicate, true, &schema)?;
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
    let number = count(lit(1_i64));
    let plan = LogicalPlanBuilder::from(plan)
        .aggregate(Vec::<Expr>::new(), vec![number.clone()])?
        .project(vec![compare(number)])?
        .build()?;
    let outer = plan.all_out_ref_exprs();
    Ok(Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        outer_ref_columns: outer,
        spans: subquery.spans.clone(),
    }))
}

fn existence(exists: &Exists) -> Result<Expr> {
    let plan = exists.subquery.subquery.as_ref().clone();
    rows(&exists.subquery, plan, |number| match exists.negated {
        true => number.eq(lit(0_i64)),
        false => number.gt(lit(0_i64)),
    })
}

fn membership(search: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let subquery = &search.subquery;
    let plan = subquery.subquery.as_ref();
    let item = Expr::from(plan.schema().qualified_field(0));
    let outer = search
        .expr
        .as_ref()
        .clone()
        .transform_up(|part| match part {
            Expr::Column(column) => {
                let field = Arc::clone(schema.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
    let some = |condition: Option<Expr>| {
        let rows_of = match condition {
            Some(condition) => LogicalPlanBuilder::from(plan.clone())
                .filter(condition)?
                .build()?,
            None => plan.clone(),
        };
        rows(subquery, rows_of, |number| number.gt(lit(0_i64)))
    };
    let found = some(Some(item.clone().eq(outer.data)))?;
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
