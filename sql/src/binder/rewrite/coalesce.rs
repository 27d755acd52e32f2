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
    while let Some(arg) = rest.pop() {
        match inner(arg) {
            Ok(args) => rest.extend(args.into_iter().rev()),
            Err(arg) => flat.push(arg),
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

/// Gives the arguments of an argument that is such a call itself.
fn inner(arg: FunctionArg) -> Result<Vec<FunctionArg>, FunctionArg> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function))) = &arg else {
        return Err(arg);
    };
    match &function.args {
        // Of one argument it is an error, which stays one.
        FunctionArguments::List(list) if is_coalesce(function) && list.args.len() > 1 => {
            Ok(list.args.clone())
        }
        _ => Err(arg),
    }
}
