//! Long chains of AND, OR and `||` as trees of even branches: what is done at each step of a tree with all that stands
//! below it grows with the square of its depth and more. The operators are associative, and the order stays.

use sqlparser::ast::{BinaryOperator, Expr, Value};
use std::collections::VecDeque;

/// Operands from which on a chain is written otherwise; shorter ones stay as they were written.
const OPERANDS_MIN: usize = 32;

/// Writes a chain as an even tree.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::BinaryOp { op, .. } = expr else {
        return;
    };
    if !matches!(
        op,
        BinaryOperator::And | BinaryOperator::Or | BinaryOperator::StringConcat
    ) {
        return;
    }
    let op = op.clone();
    if spine(expr, &op) + 1 < OPERANDS_MIN {
        return;
    }
    let mut operands = VecDeque::new();
    let mut rest = std::mem::replace(expr, nothing());
    loop {
        match rest {
            Expr::BinaryOp {
                left,
                op: own,
                right,
            } if own == op => {
                operands.push_front(*right);
                rest = *left;
            }
            other => {
                operands.push_front(other);
                break;
            }
        }
    }
    if let Some(even) = even(operands.into(), &op) {
        *expr = even;
    }
}

fn nothing() -> Expr {
    Expr::Value(Value::Null.into())
}

/// Counts the same operator down the left side.
fn spine(expr: &Expr, op: &BinaryOperator) -> usize {
    let mut count = 0;
    let mut rest = expr;
    while let Expr::BinaryOp { left, op: own, .. } = rest
        && own == op
    {
        count += 1;
        rest = left;
    }
    count
}

/// Joins neighbours until one is left.
fn even(mut level: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    while level.len() > 1 {
        let mut next = Vec::with_capacity(level.len().div_ceil(2));
        let mut operands = level.into_iter();
        while let Some(left) = operands.next() {
            next.push(match operands.next() {
                Some(right) => Expr::BinaryOp {
                    left: Box::new(left),
                    op: op.clone(),
                    right: Box::new(right),
                },
                None => left,
            });
        }
        level = next;
    }
    level.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::ast::Ident;

    fn depth(expr: &Expr) -> usize {
        match expr {
            Expr::BinaryOp { left, right, .. } => 1 + depth(left).max(depth(right)),
            _ => 0,
        }
    }

    #[test]
    fn long_chains_are_even_trees_in_the_same_order() {
        for (count, wanted) in [(2, 1), (20, 19), (32, 5), (1000, 10)] {
            let column = |number: usize| Expr::Identifier(Ident::new(format!("c{number}")));
            let mut expr = (1..count).fold(column(0), |left, number| Expr::BinaryOp {
                left: Box::new(left),
                op: BinaryOperator::Or,
                right: Box::new(column(number)),
            });
            let text = expr.to_string();
            rewrite(&mut expr);
            assert_eq!(expr.to_string(), text);
            assert_eq!(depth(&expr), wanted);
        }
    }
}
