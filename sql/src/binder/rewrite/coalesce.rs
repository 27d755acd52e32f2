//! `COALESCE(COALESCE(a, b), c)` -> `COALESCE(a, b, c)`: the engine makes a CASE of each, in which all but the last
//! argument stand twice, so that twenty of them in each other would take minutes.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    if !is_coalesce(function) {
        return;
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    // What is nested is taken out from the first argument on, without going down: a text can nest deeply.
    let mut flat = Vec::with_capacity(list.args.len());
    let mut rest: Vec<FunctionArg> = std::mem::take(&mut list.args);
    rest.reverse();
    while let Some(mut arg) = rest.pop() {
        match inner(&mut arg) {
            Some(args) => rest.extend(args.into_iter().rev()),
            None => flat.push(arg),
        }
    }
    list.args = flat;
}

fn is_coalesce(function: &Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    matches!(name.as_str(), "coalesce" | "nvl")
        && function.over.is_none()
        && function.filter.is_none()
}

/// Takes the arguments out of an argument that is such a call itself.
fn inner(arg: &mut FunctionArg) -> Option<Vec<FunctionArg>> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function))) = arg else {
        return None;
    };
    let is_nested = is_coalesce(function);
    match &mut function.args {
        // Of one argument it is an error, which stays one.
        FunctionArguments::List(list) if is_nested && list.args.len() > 1 => {
            Some(std::mem::take(&mut list.args))
        }
        _ => None,
    }
}
