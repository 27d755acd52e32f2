//! `DisjointLists`: `a IN (1) AND a IN (2)` is unknown, not false, where `a` is null.
//!
//! The engine's simplifier, which follows, makes false of it (and true of `a NOT IN (1) OR a NOT IN (2)`), so that
//! `NOT (a IN (1) AND a IN (2))` would keep rows it must not. Such pairs are written as the null test they are.
//! A null in a list, which the simplifier takes for a value when it joins lists, is taken out before.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, lit};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;

/// The rule. See the module.
#[derive(Debug)]
pub struct DisjointLists;

impl OptimizerRule for DisjointLists {
    fn name(&self) -> &str {
        "disjoint_lists"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        // Columns above know an expression by its name.
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expression| {
            // The members of ROLLUP, CUBE and GROUPING SETS each have a name, the whole has none.
            if matches!(expression, Expr::GroupingSet(_)) {
                return expression.map_children(|member| {
                    let name = NamePreserver::new_for_projection().save(&member);
                    Ok(rewritten(member)?.update_data(|member| name.restore(member)))
                });
            }
            let name = names.save(&expression);
            Ok(rewritten(expression)?.update_data(|expression| name.restore(expression)))
        })
    }
}

fn rewritten(expression: Expr) -> Result<Transformed<Expr>> {
    expression.transform_up(|part| {
        if let Expr::InList(list) = &part
            && list.list.iter().any(is_null)
        {
            return Ok(Transformed::yes(without_nulls(list)));
        }
        Ok(match constant(&part) {
            Some((tested, value)) => Transformed::yes(unless_null(tested, value)),
            None => Transformed::no(part),
        })
    })
}

/// Gives what is tested and the answer for every value but null, if two lists leave only one answer.
fn constant(expression: &Expr) -> Option<(Expr, bool)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expression else {
        return None;
    };
    let (Expr::InList(first), Expr::InList(second)) = (left.as_ref(), right.as_ref()) else {
        return None;
    };
    if first.expr != second.expr {
        return None;
    }
    let value = match (op, first.negated, second.negated) {
        (Operator::And, false, false) if disjoint(first, second) => false,
        (Operator::And, false, true) if within(first, second) => false,
        (Operator::And, true, false) if within(second, first) => false,
        (Operator::Or, true, true) if disjoint(first, second) => true,
        _ => return None,
    };
    Some((first.expr.as_ref().clone(), value))
}

fn is_null(item: &Expr) -> bool {
    match item {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        _ => false,
    }
}

/// `a IN (1, NULL)` is `a IN (1) OR NULL`; `a NOT IN (1, NULL)` is `a NOT IN (1) AND NULL`.
fn without_nulls(list: &InList) -> Expr {
    let unknown = lit(ScalarValue::Boolean(None));
    let items: Vec<Expr> = list
        .list
        .iter()
        .filter(|item| !is_null(item))
        .cloned()
        .collect();
    if items.is_empty() {
        return unknown;
    }
    let rest = list.expr.as_ref().clone().in_list(items, list.negated);
    if list.negated {
        rest.and(unknown)
    } else {
        rest.or(unknown)
    }
}

fn disjoint(first: &InList, second: &InList) -> bool {
    !first.list.iter().any(|item| second.list.contains(item))
}

fn within(inner: &InList, outer: &InList) -> bool {
    inner.list.iter().all(|item| outer.list.contains(item))
}

/// `value`, but unknown where `tested` is null.
fn unless_null(tested: Expr, value: bool) -> Expr {
    let unknown = lit(ScalarValue::Boolean(None));
    if value {
        tested.is_not_null().or(unknown)
    } else {
        tested.is_null().and(unknown)
    }
}
