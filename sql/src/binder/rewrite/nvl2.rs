//! `NVL2(tested, not_null, null)` -> CASE: what is tested has a type of its own, the results share one.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments};

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    if !function.name.to_string().eq_ignore_ascii_case("nvl2") {
        return;
    }
    let FunctionArguments::List(list) = &function.args else {
        return;
    };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(tested)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(not_null)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(null)),
    ] = list.args.as_slice()
    else {
        return;
    };
    *expr = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition: Expr::IsNotNull(Box::new(tested.clone())),
            result: not_null.clone(),
        }],
        else_result: Some(Box::new(null.clone())),
    };
}
