//! Names of output columns: Redshift allows two of one name, the engine does not.
//!
//! Items of the outermost SELECT that could clash get an alias of their own; [`names`] gives what the client
//! shall see instead.

use sqlparser::ast::{CastKind, Expr, Ident, Query, SelectItem, SetExpr};
use std::collections::HashSet;

/// The column name of an expression that has no name.
const UNNAMED: &str = "?column?";

/// Gives an alias to each unnamed item whose name another item has too.
pub(super) fn rewrite(query: &mut Query) {
    let Some(items) = outermost(&mut query.body) else {
        return;
    };
    let wildcard = items.iter().any(is_wildcard);
    let mut taken: HashSet<String> = items.iter().filter_map(explicit).collect();
    let mut seen = HashSet::new();
    for item in items {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        let name = natural(expr);
        let clashes = wildcard || !seen.insert(name.clone()) || taken.contains(&name);
        if !clashes {
            continue;
        }
        let alias = (2usize..)
            .map(|number| format!("{name}_{number}"))
            .find(|alias| !taken.contains(alias) && !seen.contains(alias))
            .unwrap_or_default();
        taken.insert(alias.clone());
        *item = SelectItem::ExprWithAlias {
            expr: expr.clone(),
            alias: Ident::with_quote('"', alias),
        };
    }
}

/// The names the client sees, as many as `fields`, which are the names in the plan.
pub(in crate::binder) fn names(query: &Query, fields: &[String]) -> Vec<String> {
    let Some(items) = leftmost(&query.body) else {
        return fields.to_vec();
    };
    let wildcards = items.iter().filter(|item| is_wildcard(item)).count();
    let stars = (fields.len() + wildcards).checked_sub(items.len());
    let (Some(stars), true) = (stars, wildcards <= 1) else {
        return fields.to_vec();
    };
    let mut result = Vec::with_capacity(fields.len());
    for item in items {
        match item {
            SelectItem::UnnamedExpr(expr) => result.push(natural(expr)),
            item => match explicit(item) {
                Some(name) => result.push(name),
                None => {
                    let begin = result.len();
                    result.extend(fields.iter().skip(begin).take(stars).cloned());
                }
            },
        }
    }
    if result.len() == fields.len() {
        result
    } else {
        fields.to_vec()
    }
}

fn outermost(body: &mut SetExpr) -> Option<&mut Vec<SelectItem>> {
    match body {
        SetExpr::Select(select) => Some(&mut select.projection),
        SetExpr::Query(query) => outermost(&mut query.body),
        SetExpr::SetOperation { left, .. } => outermost(left),
        _ => None,
    }
}

fn leftmost(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::Query(query) => leftmost(&query.body),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        _ => None,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(
        item,
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
    )
}

fn explicit(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// PostgreSQL's name for an expression: the column, the function, or nothing.
fn natural(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => folded(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map_or_else(|| UNNAMED.to_owned(), folded),
        Expr::Function(function) => match function.name.0.last().and_then(|part| part.as_ident()) {
            Some(ident) => folded(ident),
            None => UNNAMED.to_owned(),
        },
        Expr::Nested(inner) => natural(inner),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Extract { .. } => "date_part".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type,
            ..
        } => match natural(expr) {
            name if name != UNNAMED => name,
            _ => crate::types::SqlType::parse(&data_type.to_string().to_lowercase())
                .map_or_else(|_| UNNAMED.to_owned(), |ty| ty.short_name().to_owned()),
        },
        _ => UNNAMED.to_owned(),
    }
}
