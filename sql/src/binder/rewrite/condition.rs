//! Numbers as conditions, which generated SQL likes: `WHERE 1 AND ...`.

use sqlparser::ast::{BinaryOperator, Expr, Select, UnaryOperator, Value};

/// Makes numbers that stand for conditions of a query comparisons with zero.
pub(super) fn rewrite(select: &mut Select) {
    let conditions = [
        &mut select.selection,
        &mut select.having,
        &mut select.qualify,
    ];
    // A chain of operators may be as long as the statement: no recursion.
    let mut open: Vec<&mut Expr> = conditions.into_iter().flatten().collect();
    while let Some(expr) = open.pop() {
        match expr {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And | BinaryOperator::Or,
                right,
            } => open.extend([left.as_mut(), right.as_mut()]),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            }
            | Expr::Nested(expr) => open.push(expr),
            Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                let zero = Value::Number("0".to_owned(), false);
                let number = Expr::Value(value.clone());
                *expr = Expr::BinaryOp {
                    left: Box::new(number),
                    op: BinaryOperator::NotEq,
                    right: Box::new(Expr::Value(zero.into())),
                };
            }
            _ => {}
        }
    }
}
