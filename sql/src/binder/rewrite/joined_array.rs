//! `FROM t JOIN t.array AS a ON c` -> `FROM t, t.array AS a WHERE c`: behind commas `path` finds the arrays. Other joins
//! than inner ones stay, and an array in them is refused.

use super::path::{names, path_of};
use crate::binder::ident::folded;
use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Select, TableFactor, TableWithJoins,
};

/// Writes such items of FROM with commas.
pub(super) fn split(select: &mut Select) {
    let mut known = Vec::new();
    let mut items = Vec::with_capacity(select.from.len());
    for item in std::mem::take(&mut select.from) {
        let has_array = holds_array(&item, &mut known);
        if !has_array || item.joins.is_empty() || !item.joins.iter().all(is_inner) {
            items.push(item);
            continue;
        }
        items.push(alone(item.relation));
        for join in item.joins {
            items.push(alone(join.relation));
            if let Some(condition) = condition(join.join_operator) {
                let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
                select.selection = Some(match select.selection.take() {
                    Some(other) => Expr::BinaryOp {
                        left: nested(other),
                        op: BinaryOperator::And,
                        right: nested(condition),
                    },
                    None => condition,
                });
            }
        }
    }
    select.from = items;
}

fn alone(relation: TableFactor) -> TableWithJoins {
    TableWithJoins {
        relation,
        joins: Vec::new(),
    }
}

/// Tells whether a join keeps the rows that meet its condition and no others.
pub(super) fn is_inner(join: &Join) -> bool {
    matches!(
        join.join_operator,
        JoinOperator::Join(JoinConstraint::On(_))
            | JoinOperator::Inner(JoinConstraint::On(_))
            | JoinOperator::CrossJoin(JoinConstraint::None)
    )
}

fn condition(operator: JoinOperator) -> Option<Expr> {
    match operator {
        JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition)) => Some(condition),
        _ => None,
    }
}

/// Tells whether an item names an array of a table before it; `known` are the names so far.
fn holds_array(item: &TableWithJoins, known: &mut Vec<String>) -> bool {
    let joined = item.joins.iter().map(|join| &join.relation);
    let mut found = false;
    for relation in std::iter::once(&item.relation).chain(joined) {
        match path_of(relation) {
            Some(path) if path.is_call || !path.is_alone && known.contains(&path.root) => {
                found = true;
                known.push(folded(&path.alias.name));
            }
            _ => known.extend(names(relation)),
        }
    }
    found
}
