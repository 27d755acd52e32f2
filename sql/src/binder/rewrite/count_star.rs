//! `count(*)` and `count()` into `count(1)`: the same rows, and a constant the engine plans everywhere.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    let name = function.name.to_string().to_lowercase();
    if !["count", "pg_catalog.count"].contains(&name.as_str()) {
        return;
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    let is_star = match list.args.as_slice() {
        [] => true,
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => true,
        _ => false,
    };
    if is_star && list.duplicate_treatment.is_none() {
        let one = Expr::Value(Value::Number("1".to_owned(), false).into());
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(one))];
    }
}
