//! Functions written without parentheses: `SYSDATE`, `CURRENT_USER_ID`.

use sqlparser::ast::Expr;

const NAMES: &[&str] = &["current_user_id", "localtime", "localtimestamp", "sysdate"];

pub(super) fn rewrite(expr: &mut Expr) {
    if let Expr::Identifier(ident) = expr
        && ident.quote_style.is_none()
        && NAMES.contains(&ident.value.to_lowercase().as_str())
    {
        let name = ident.value.to_lowercase();
        *expr = super::call(&name, Vec::new());
    }
}
