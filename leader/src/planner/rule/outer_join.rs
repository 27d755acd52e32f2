//! `OuterJoin`: outer joins that cannot show a null row become inner ones, and those that show only null rows become
//! anti joins.
//!
//! The engine sees this only where a filter lies on the join itself. Here a column that must not be null is followed
//! down from wherever it is asked for: `a LEFT JOIN b ON .., c WHERE b.x = c.x` keeps no row without a `b`. And
//! `a LEFT JOIN b ON a.k = b.k WHERE b.k IS NULL` is the rows of `a` that have no `b`. Both forms can then be put in
//! order with the other joins, and are estimated as what they are.

use crate::planner::options::options_of;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinConstraint, JoinType, NullEquality, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, Join, LogicalPlan, Operator, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;
use std::collections::HashSet;
use std::sync::Arc;

/// Columns of which a row with a null does not reach the answer.
type Required = HashSet<Column>;

/// The rule. See the module.
#[derive(Debug)]
pub struct OuterJoin;

impl OptimizerRule for OuterJoin {
    fn name(&self) -> &str {
        "outer_join"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !options_of(&config.options()).outer_join {
            return Ok(Transformed::no(plan));
        }
        reduce(plan, &Required::new())
    }
}

/// Reduces the outer joins of a plan, of whose rows only those without nulls in `required` are used.
fn reduce(plan: LogicalPlan, required: &Required) -> Result<Transformed<LogicalPlan>> {
    let (plan, anti) = match plan {
        LogicalPlan::Filter(filter) => {
            let found = anti_join(filter)?;
            (found.data, found.transformed)
        }
        other => (other, false),
    };
    let (plan, narrowed) = match plan {
        LogicalPlan::Join(join) => narrowed(join, required)?,
        other => (other, false),
    };
    let below = required_below(&plan, required)?;
    let mut below = below.into_iter();
    let done = plan.map_children(|child| reduce(child, &below.next().unwrap_or_default()))?;
    let inner_changed = done.transformed;
    let plan = match inner_changed {
        // What may be null has changed.
        true => done.data.recompute_schema()?,
        false => done.data,
    };
    Ok(match anti || narrowed || inner_changed {
        true => Transformed::yes(plan),
        false => Transformed::no(plan),
    })
}

/// Takes the outer side off a join that need not show nulls.
fn narrowed(join: Join, required: &Required) -> Result<(LogicalPlan, bool)> {
    let asked = |side: &LogicalPlan| {
        required
            .iter()
            .any(|column| side.schema().has_column(column))
    };
    let (left, right) = (asked(&join.left), asked(&join.right));
    let join_type = match (join.join_type, left, right) {
        (JoinType::Left, _, true) | (JoinType::Right, true, _) | (JoinType::Full, true, true) => {
            JoinType::Inner
        }
        // Rows of the right side alone have a null left one.
        (JoinType::Full, true, false) => JoinType::Left,
        (JoinType::Full, false, true) => JoinType::Right,
        _ => return Ok((LogicalPlan::Join(join), false)),
    };
    let join = Join::try_new(
        join.left,
        join.right,
        join.on,
        join.filter,
        join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    Ok((LogicalPlan::Join(join), true))
}

/// Makes `left join .. where right key is null` an anti join; its right columns are null.
fn anti_join(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(join) = filter.input.as_ref() else {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    };
    if join.join_type != JoinType::Left
        || join.null_equality != NullEquality::NullEqualsNothing
        || !join
            .on
            .iter()
            .all(|(left, right)| !left.is_volatile() && !right.is_volatile())
    {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    // A pair that matched has no null in a key.
    let mut keys = Required::new();
    for (_, right) in &join.on {
        strict_columns(right, &mut keys);
    }
    let (unmatched, rest): (Vec<Expr>, Vec<Expr>) = split_conjunction(&filter.predicate)
        .into_iter()
        .cloned()
        .partition(|part| {
            matches!(part, Expr::IsNull(inner)
                if matches!(inner.as_ref(), Expr::Column(column)
                    if keys.contains(column) && join.right.schema().has_column(column)))
        });
    if unmatched.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let schema = Arc::clone(filter.input.schema());
    let anti = Join::try_new(
        Arc::clone(&join.left),
        Arc::clone(&join.right),
        join.on.clone(),
        join.filter.clone(),
        JoinType::LeftAnti,
        JoinConstraint::On,
        join.null_equality,
        false,
    )?;
    let left_count = join.left.schema().fields().len();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (index, (qualifier, field)) in schema.iter().enumerate() {
        if index < left_count {
            columns.push(Expr::Column(Column::from((qualifier, field))));
        } else {
            let null = ScalarValue::try_from(field.data_type())?;
            let null = Expr::Literal(null, None);
            columns.push(null.alias_qualified(qualifier.cloned(), field.name()));
        }
    }
    let shown = Projection::try_new(columns, Arc::new(LogicalPlan::Join(anti)))?;
    let shown = LogicalPlan::Projection(shown);
    Ok(Transformed::yes(match conjunction(rest) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(shown))?),
        None => shown,
    }))
}

/// Gives for each child of a plan the columns of which a row with a null is of no use.
fn required_below(plan: &LogicalPlan, required: &Required) -> Result<Vec<Required>> {
    Ok(match plan {
        LogicalPlan::Filter(filter) => {
            let mut below = required.clone();
            true_columns(&filter.predicate, &mut below);
            vec![below]
        }
        LogicalPlan::Join(join) => of_join(join, required),
        LogicalPlan::Projection(projection) => {
            let mut below = Required::new();
            for (column, expr) in projection.schema.columns().iter().zip(&projection.expr) {
                if required.contains(column) {
                    strict_columns(expr, &mut below);
                }
            }
            vec![below]
        }
        LogicalPlan::SubqueryAlias(alias) => {
            vec![renamed(required, &alias.schema, alias.input.schema())]
        }
        LogicalPlan::Union(union) => union
            .inputs
            .iter()
            .map(|input| renamed(required, &union.schema, input.schema()))
            .collect(),
        LogicalPlan::Aggregate(aggregate) => {
            let mut below = Required::new();
            let keys = aggregate.schema.columns();
            for (column, expr) in keys.iter().zip(&aggregate.group_expr) {
                // The first column of grouping sets is not the first of their expressions.
                if matches!(expr, Expr::GroupingSet(_)) {
                    below.clear();
                    break;
                }
                if required.contains(column) {
                    strict_columns(expr, &mut below);
                }
            }
            vec![below]
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => vec![required.clone()],
        LogicalPlan::Distinct(_) => match plan.inputs().as_slice() {
            [input] => vec![renamed(required, plan.schema(), input.schema())],
            _ => Vec::new(),
        },
        // What a limit or a window shows depends on all rows below.
        _ => Vec::new(),
    })
}

fn of_join(join: &Join, required: &Required) -> Vec<Required> {
    let mut matched = Required::new();
    if join.null_equality == NullEquality::NullEqualsNothing {
        for (left, right) in &join.on {
            strict_columns(left, &mut matched);
            strict_columns(right, &mut matched);
        }
    }
    if let Some(filter) = &join.filter {
        true_columns(filter, &mut matched);
    }
    let of = |side: &LogicalPlan, sets: &[&Required]| {
        sets.iter()
            .flat_map(|set| set.iter())
            .filter(|column| side.schema().has_column(column))
            .cloned()
            .collect::<Required>()
    };
    // Whether rows of a side are shown also if they match nothing.
    let (left_stays, right_stays) = match join.join_type {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => (false, false),
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => (true, false),
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => (false, true),
        JoinType::Full => (true, true),
    };
    // NOT IN looks at nulls.
    if join.null_aware {
        return Vec::new();
    }
    let side = |plan: &LogicalPlan, stays: bool| match (stays, join.join_type) {
        // A row with nulls is shown with the others of a full join, and what is asked of it is asked of both sides.
        (_, JoinType::Full) => Required::new(),
        (true, _) => of(plan, &[required]),
        (false, _) => of(plan, &[required, &matched]),
    };
    vec![side(&join.left, left_stays), side(&join.right, right_stays)]
}

/// Gives columns by the names another schema has for the same places.
fn renamed(required: &Required, from: &DFSchema, to: &DFSchema) -> Required {
    from.columns()
        .iter()
        .zip(to.columns())
        .filter(|(outer, _)| required.contains(*outer))
        .map(|(_, inner)| inner)
        .collect()
}

/// Adds the columns of which a null makes a value null.
fn strict_columns(expr: &Expr, columns: &mut Required) {
    match expr {
        Expr::Column(column) => {
            columns.insert(column.clone());
        }
        Expr::Alias(alias) => strict_columns(&alias.expr, columns),
        Expr::Cast(cast) => strict_columns(&cast.expr, columns),
        Expr::Negative(inner) => strict_columns(inner, columns),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op:
                Operator::Plus
                | Operator::Minus
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo,
            right,
        }) => {
            strict_columns(left, columns);
            strict_columns(right, columns);
        }
        _ => {}
    }
}

/// Adds the columns of which a null keeps a condition from being true.
fn true_columns(condition: &Expr, columns: &mut Required) {
    match condition {
        Expr::Alias(alias) => true_columns(&alias.expr, columns),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => {
                true_columns(left, columns);
                true_columns(right, columns);
            }
            Operator::Or => {
                let (mut one, mut other) = (Required::new(), Required::new());
                true_columns(left, &mut one);
                true_columns(right, &mut other);
                columns.extend(one.into_iter().filter(|column| other.contains(column)));
            }
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => {
                strict_columns(left, columns);
                strict_columns(right, columns);
            }
            _ => {}
        },
        Expr::Between(between) if !between.negated => {
            strict_columns(&between.expr, columns);
            strict_columns(&between.low, columns);
            strict_columns(&between.high, columns);
        }
        Expr::InList(list) if !list.list.is_empty() => strict_columns(&list.expr, columns),
        Expr::Like(like) | Expr::SimilarTo(like) => strict_columns(&like.expr, columns),
        Expr::IsNotNull(inner) | Expr::IsTrue(inner) => strict_columns(inner, columns),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{col, lit};

    fn check(condition: Expr, expected: &[&str]) {
        let mut found = Required::new();
        true_columns(&condition, &mut found);
        let mut found: Vec<String> = found.iter().map(Column::flat_name).collect();
        found.sort();
        assert_eq!(found, expected, "{condition}");
    }

    #[test]
    fn conditions_tell_which_nulls_they_refuse() {
        check(col("a.x").eq(col("b.x")), &["a.x", "b.x"]);
        check((col("a.x") + lit(1)).gt(lit(2)), &["a.x"]);
        check(col("a.x").is_not_null(), &["a.x"]);
        check(col("a.x").is_null(), &[]);
        check(col("a.x").eq(lit(1)).or(col("a.y").eq(lit(2))), &[]);
        check(
            col("a.x")
                .eq(lit(1))
                .or(col("a.x").eq(lit(2)).and(col("a.y").eq(lit(3)))),
            &["a.x"],
        );
        check(col("a.x").between(col("a.y"), lit(3)), &["a.x", "a.y"]);
        // `NULL BETWEEN 5 AND 3` is false, and so its opposite true.
        check(col("a.x").not_between(col("a.y"), lit(3)), &[]);
        check(col("a.x").in_list(vec![lit(1)], true), &["a.x"]);
        check(!col("a.x"), &[]);
    }
}
