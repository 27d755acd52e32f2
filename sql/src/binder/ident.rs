//! How names compare.

use sqlparser::ast::Ident;

/// Gives a name as the catalog keeps it: in lower case, unless it was quoted.
pub(super) fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}
