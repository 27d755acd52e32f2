//! `DECODE(x, search, result, ..., default)` -> CASE, in which null equals null.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    if !function.name.to_string().eq_ignore_ascii_case("decode") {
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
    let Some([subject, pairs @ ..]) = args.as_deref() else {
        return;
    };
    if pairs.len() < 2 {
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
    *expr = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: default.map(|default| Box::new((*default).clone())),
    };
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
