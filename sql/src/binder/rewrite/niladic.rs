//! Functions written without parentheses: `SYSDATE`, `CURRENT_USER_ID`, `CURRENT_NAMESPACE`.

use sqlparser::ast::Expr;

const NAMES: &[&str] = &[
    "current_namespace",
    "current_user_id",
    "localtime",
    "localtimestamp",
    "sysdate",
];

/// Gives the name of the function that an expression is a call of, if it is written so.
pub(super) fn function(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Identifier(ident) if ident.quote_style.is_none() => {
            let mut names = NAMES.iter().copied();
            names.find(|name| ident.value.eq_ignore_ascii_case(name))
        }
        _ => None,
    }
}

pub(super) fn rewrite(expr: &mut Expr) {
    if let Some(name) = function(expr) {
        *expr = super::call(name, Vec::new());
    }
}
