//! Redshift's names of functions and operators the engine knows under other names.

use super::call;
use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, ObjectName, TimezoneInfo, UnaryOperator, Value,
};

/// Functions that only have another name in the engine.
const RENAMED: &[(&str, &str)] = &[("isnull", "coalesce"), ("nvl", "coalesce")];

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
                _ => return,
            };
            *expr = call(name, vec![(**inner).clone()]);
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
    if name == "listagg" {
        aggregate_text(function);
        return None;
    }
    let args = plain_args(function)?;
    match (name.as_str(), args.as_slice()) {
        ("getdate" | "sysdate", []) => Some(Expr::Cast {
            kind: sqlparser::ast::CastKind::Cast,
            expr: Box::new(call("now", Vec::new())),
            data_type: DataType::Timestamp(None, TimezoneInfo::None),
            array: false,
            format: None,
        }),
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

/// `LISTAGG(x [, d]) WITHIN GROUP (ORDER BY y)` -> the engine's `string_agg(x, d ORDER BY y)`.
fn aggregate_text(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    if list.args.len() == 1 {
        list.args
            .push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(""))));
    }
    if !function.within_group.is_empty() {
        let order = std::mem::take(&mut function.within_group);
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
}
