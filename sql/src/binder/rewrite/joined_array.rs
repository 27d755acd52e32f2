//! `FROM t JOIN t.array AS a ON c` -> `FROM t, t.array AS a WHERE c`: behind commas `path` finds the arrays. So is
//! `LEFT JOIN t.array AS a ON true` written, with a mark that rows of `t` without elements stay. An array in other joins
//! is refused.

use super::path::{names, path_of, unpivoted};
use crate::binder::ident::folded;
use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Select, TableFactor, TableWithJoins,
    Value,
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

/// Unnests the arrays behind LEFT JOIN ... ON true of a FROM item, with all that is joined before them.
pub(super) fn keep_left(from: &mut TableWithJoins) {
    let mut index = 0;
    while index < from.joins.len() {
        let path = from.joins.get(index).and_then(|join| {
            let before = from.joins.iter().take(index).map(|join| &join.relation);
            let mut before = std::iter::once(&from.relation).chain(before);
            let path = path_of(&join.relation).filter(|_| is_left(join))?;
            let is_array = !path.is_call && !path.is_object && !path.is_alone;
            (is_array && before.any(|one| names(one).contains(&path.root))).then_some(path)
        });
        let Some(path) = path else {
            index += 1;
            continue;
        };
        let rest = from.joins.split_off(index + 1);
        from.joins.truncate(index);
        let joins = std::mem::replace(&mut from.joins, rest);
        let table = match joins.is_empty() {
            true => from.relation.clone(),
            false => TableFactor::NestedJoin {
                table_with_joins: Box::new(TableWithJoins {
                    relation: from.relation.clone(),
                    joins,
                }),
                alias: None,
            },
        };
        from.relation = unpivoted(table, path, true);
        index = 0;
    }
}

/// Tells whether a join keeps all rows before it and asks for nothing.
fn is_left(join: &Join) -> bool {
    let (JoinOperator::Left(JoinConstraint::On(condition))
    | JoinOperator::LeftOuter(JoinConstraint::On(condition))) = &join.join_operator
    else {
        return false;
    };
    let mut condition = condition;
    while let Expr::Nested(inner) = condition {
        condition = inner;
    }
    matches!(condition, Expr::Value(value) if value.value == Value::Boolean(true))
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
