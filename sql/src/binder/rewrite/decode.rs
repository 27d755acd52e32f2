//! `DECODE(x, search, result, ..., default)` and `NVL2(x, a, b)` -> CASE, in which null equals null.
//!
//! The engine's own NVL2 gives all three values one type.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    let name = function.name.to_string().to_lowercase();
    if name != "decode" && name != "nvl2" {
        return;
    }
    let FunctionArguments::List(list) = &function.args else {
        return;
    };
    let args: Option<Vec<&Expr>> = list
        .args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect();
    if let (Some([subject, there, null]), "nvl2") = (args.as_deref(), name.as_str()) {
        let there = CaseWhen {
            condition: Expr::IsNotNull(Box::new((*subject).clone())),
            result: (*there).clone(),
        };
        *expr = case(vec![there], Some(null));
        return;
    }
    let Some([subject, pairs @ ..]) = args.as_deref() else {
        return;
    };
    if name != "decode" || pairs.len() < 2 {
        return;
    }
    let conditions = pairs
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [search, result] => Some(CaseWhen {
                condition: matches(subject, search),
                result: (*result).clone(),
            }),
            _ => None,
        })
        .collect();
    let default = if pairs.len() % 2 == 1 {
        pairs.last()
    } else {
        None
    };
    *expr = case(conditions, default.copied());
}

fn case(conditions: Vec<CaseWhen>, otherwise: Option<&Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: otherwise.map(|expr| Box::new(expr.clone())),
    }
}

/// Equality in which null equals null; a literal that is not null needs no more than `=`.
fn matches(subject: &Expr, search: &Expr) -> Expr {
    let (left, right) = (Box::new(subject.clone()), Box::new(search.clone()));
    match search {
        Expr::Value(value) if value.value == Value::Null => Expr::IsNull(left),
        Expr::Value(_) => Expr::BinaryOp {
            left,
            op: sqlparser::ast::BinaryOperator::Eq,
            right,
        },
        _ => Expr::IsNotDistinctFrom(left, right),
    }
}
