//! Redshift's names of functions and operators the engine knows under other names.

use super::call;
use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, TimezoneInfo, UnaryOperator, Value,
};

/// Functions that only have another name in the engine.
const RENAMED: &[(&str, &str)] = &[
    ("grouping_id", "grouping"),
    ("hll", "approx_distinct"),
    ("isnull", "coalesce"),
    ("nvl", "coalesce"),
];

pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } if *op == BinaryOperator::PGExp => {
            *expr = call("power", vec![(**left).clone(), (**right).clone()]);
        }
        Expr::UnaryOp { op, expr: inner } => {
            let name = match op {
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                UnaryOperator::PGAbs => "abs",
                // In two's complement.
                UnaryOperator::BitwiseNot => {
                    let one = Value::Number("-1".to_owned(), false);
                    *expr = Expr::Nested(Box::new(Expr::BinaryOp {
                        left: Box::new(Expr::Value(one.into())),
                        op: BinaryOperator::Minus,
                        right: inner.clone(),
                    }));
                    return;
                }
                _ => return,
            };
            *expr = call(name, vec![(**inner).clone()]);
        }
        Expr::SimilarTo {
            negated,
            expr: subject,
            pattern,
            escape_char,
        } => {
            let mut args = vec![(**subject).clone(), (**pattern).clone()];
            args.extend(escape_char.take().map(Expr::Value));
            let test = call("blueshift_similar", args);
            *expr = if *negated {
                Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr: Box::new(test),
                }
            } else {
                test
            };
        }
        Expr::Convert {
            is_try: false,
            expr: value,
            data_type: Some(data_type),
            target_before_value: true,
            ..
        } => {
            *expr = Expr::Cast {
                kind: sqlparser::ast::CastKind::Cast,
                expr: value.clone(),
                data_type: data_type.clone(),
                array: false,
                format: None,
            };
        }
        Expr::AtTimeZone {
            timestamp,
            time_zone,
        } => {
            let args = vec![(**time_zone).clone(), (**timestamp).clone()];
            *expr = call("timezone", args);
        }
        Expr::Function(function) => {
            if let Some(other) = function_rewritten(function) {
                *expr = other;
            }
        }
        _ => {}
    }
}

/// Changes a call in place, or gives the expression that takes its place.
fn function_rewritten(function: &mut Function) -> Option<Expr> {
    let name = function.name.to_string().to_lowercase();
    if let Some((_, to)) = RENAMED.iter().find(|(from, _)| *from == name) {
        function.name = ObjectName::from(vec![Ident::new(*to)]);
        return None;
    }
    let args = plain_args(function)?;
    match (name.as_str(), args.as_slice()) {
        ("sysdate", []) => Some(converted(
            call("blueshift_transaction_time", Vec::new()),
            DataType::Timestamp(None, TimezoneInfo::None),
        )),
        // Whole seconds, as the manual shows them.
        ("getdate", []) => {
            let second = Expr::Value(Value::SingleQuotedString("second".to_owned()).into());
            let now = converted(
                call("now", Vec::new()),
                DataType::Timestamp(None, TimezoneInfo::None),
            );
            Some(call("date_trunc", vec![second, now]))
        }
        ("localtimestamp", []) => Some(converted(
            call("now", Vec::new()),
            DataType::Timestamp(None, TimezoneInfo::None),
        )),
        ("localtime", []) => Some(converted(
            call("now", Vec::new()),
            DataType::Time(None, TimezoneInfo::None),
        )),
        ("bool_and" | "bool_or", [_]) => {
            if let FunctionArguments::List(list) = &mut function.args {
                for arg in &mut list.args {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = arg {
                        *value = converted(value.clone(), DataType::Boolean);
                    }
                }
            }
            None
        }
        ("mod", [left, right]) => Some(Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(left.clone()))),
            op: BinaryOperator::Modulo,
            right: Box::new(Expr::Nested(Box::new(right.clone()))),
        }))),
        ("timeofday", []) => Some(call(
            "to_char",
            vec![
                call("now", Vec::new()),
                text("Dy Mon DD HH24:MI:SS.US YYYY TZ"),
            ],
        )),
        _ => None,
    }
}

fn converted(value: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: sqlparser::ast::CastKind::Cast,
        expr: Box::new(value),
        data_type,
        array: false,
        format: None,
    }
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).into())
}

fn plain_args(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}
