//! `information_schema._pg_expandarray(vector)`, which drivers put into select lists to get a row for each column of a
//! key: the place `n` from 1, and the item `x`. It becomes a join with a series of places.
//!
//! There are no composite types here, so a pair that is carried on as a column is kept as text `x,n`.

use crate::error::Result;
use crate::statement::query::{Expression, Query};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Select,
    SelectItem, SetExpr,
};

/// Columns a key may have.
const PLACES_MAX: usize = 64;

/// The name of the joined series.
const SERIES: &str = "__blueshift_expanded";

/// Rewrites the calls of a select list, which must all be of one vector.
pub(super) fn rewrite(select: &mut Select) -> Result<()> {
    let mut vector: Option<Expr> = None;
    for item in &mut select.projection {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
            _ => continue,
        };
        let Some((found, field)) = expansion(expr) else {
            continue;
        };
        if vector.as_ref().is_some_and(|vector| *vector != found) {
            continue;
        }
        let item = format!(
            "pg_catalog.blueshift_array_number({found}, pg_catalog.array_lower({found}, 1) + {SERIES}.n - 1)"
        );
        let text = match field.as_deref() {
            Some("n") => format!("{SERIES}.n"),
            Some(_) => item,
            None => format!("({item})::varchar || ',' || {SERIES}.n::varchar"),
        };
        *expr = parsed(&text)?;
        vector = Some(found);
    }
    let Some(vector) = vector else {
        return Ok(());
    };
    let series = Query::parse(&format!(
        "SELECT 1 FROM generate_series(1, {PLACES_MAX}) AS {SERIES}(n)"
    ))?;
    if let SetExpr::Select(series) = *series.tree.body {
        select.from.extend(series.from);
    }
    let within = parsed(&format!(
        "{SERIES}.n <= pg_catalog.array_upper({vector}, 1) - pg_catalog.array_lower({vector}, 1) + 1"
    ))?;
    select.selection = Some(match select.selection.take() {
        None => within,
        Some(condition) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(condition))),
            op: BinaryOperator::And,
            right: Box::new(within),
        },
    });
    Ok(())
}

/// Rewrites `(keys).x` and `(keys).n` of a pair that was carried on, under the one name drivers give it.
pub(super) fn rewrite_field(expr: &mut Expr) -> Result<()> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else {
        return Ok(());
    };
    let (Expr::Nested(pair), Some(field)) = (&**root, field_of(access_chain)) else {
        return Ok(());
    };
    let last = match &**pair {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    if !last.is_some_and(|name| name.value.eq_ignore_ascii_case("keys")) {
        return Ok(());
    }
    let place = if field == "x" { 1 } else { 2 };
    *expr = parsed(&format!("split_part({pair}, ',', {place})::bigint"))?;
    Ok(())
}

/// The vector and the field of a call; without a field it is the pair.
fn expansion(expr: &Expr) -> Option<(Expr, Option<String>)> {
    match expr {
        Expr::CompoundFieldAccess { root, access_chain } => {
            let (vector, None) = expansion(root)? else {
                return None;
            };
            Some((vector, Some(field_of(access_chain)?)))
        }
        Expr::Nested(inner) => expansion(inner),
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            if name.rsplit('.').next() != Some("_pg_expandarray") {
                return None;
            }
            let FunctionArguments::List(list) = &function.args else {
                return None;
            };
            match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(vector))] => {
                    Some((vector.clone(), None))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn field_of(access: &[AccessExpr]) -> Option<String> {
    match access {
        [AccessExpr::Dot(Expr::Identifier(field))] => {
            let field = field.value.to_lowercase();
            ["n", "x"].contains(&field.as_str()).then_some(field)
        }
        _ => None,
    }
}

fn parsed(text: &str) -> Result<Expr> {
    Ok(*Expression::parse(text)?.tree)
}
