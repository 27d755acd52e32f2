//! Bare date parts, as in `dateadd(month, 1, d)`, into strings.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

/// Functions whose first argument is a date part.
const FUNCTIONS: &[&str] = &[
    "dateadd",
    "datediff",
    "date_part",
    "datepart",
    "date_part_year",
    "date_diff",
    "pgdate_part",
    "date_add",
    "date_trunc",
];

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    let name = function.name.to_string().to_lowercase();
    if !FUNCTIONS.contains(&name.as_str()) {
        return;
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    // One-argument forms (date_part_year) take a date, not a part.
    if list.args.len() < 2 {
        return;
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut() else {
        return;
    };
    if let Expr::Identifier(ident) = first {
        *first = Expr::Value(Value::SingleQuotedString(ident.value.to_lowercase()).into());
    }
}
