//! Whole numbers that fit are INTEGER, as in `SELECT 1` or `SUM(CASE WHEN a THEN 1 ELSE 0 END)`.
//!
//! The engine reads every whole number as BIGINT. Next to another number that makes no difference that a user sees,
//! so only those are marked whose type becomes the type of the expression around them.

use sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Select, SelectItem,
    UnaryOperator, Value,
};

/// Functions whose type is that of an argument.
const LIKE_THEIR_ARGUMENTS: &[&str] = &[
    "any_value",
    "avg",
    "coalesce",
    "first_value",
    "fnv_hash",
    "greatest",
    "lag",
    "last_value",
    "lead",
    "least",
    "max",
    "median",
    "min",
    "nullif",
    "sum",
];

/// Marks the numbers that are columns of a result.
pub(super) fn rewrite_list(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            narrow(expr);
        }
    }
}

/// Marks the numbers that a CASE or a function gives as they are.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::Case {
            conditions,
            else_result,
            ..
        } => {
            for condition in conditions {
                narrow(&mut condition.result);
            }
            if let Some(other) = else_result {
                narrow(other);
            }
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            if !LIKE_THEIR_ARGUMENTS.contains(&name.as_str()) {
                return;
            }
            let FunctionArguments::List(list) = &mut function.args else {
                return;
            };
            for arg in &mut list.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg {
                    narrow(expr);
                }
            }
        }
        _ => {}
    }
}

/// Casts a bare number that is an INTEGER.
fn narrow(expr: &mut Expr) {
    if let Expr::Nested(inner) = expr {
        return narrow(inner);
    }
    let number = match &*expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr: inner,
        } => inner.as_ref(),
        other => other,
    };
    let Expr::Value(value) = number else { return };
    let Value::Number(digits, _) = &value.value else {
        return;
    };
    if digits.parse::<i32>().is_err() {
        return;
    }
    let bare = std::mem::replace(expr, Expr::Value(Value::Null.into()));
    *expr = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(bare),
        data_type: DataType::Integer(None),
        array: false,
        format: None,
    };
}
