//! `WITH a (x) AS (SELECT 1, 2)` -> `WITH a AS (SELECT * FROM (SELECT 1, 2) a (x))`: a WITH query may name some of its
//! columns, which the binder allows where a table of FROM does so; the engine wants a name for each.

use crate::error::Result;
use sqlparser::ast::{Query, SelectItem, SetExpr, TableAlias, TableFactor};

pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    let Some(with) = &mut query.with else {
        return Ok(());
    };
    // What a recursive query is made of must be seen.
    if with.recursive {
        return Ok(());
    }
    for part in &mut with.cte_tables {
        let names = part.alias.columns.len();
        if names == 0 || count(&part.query.body) == Some(names) {
            continue;
        }
        let all = super::one_row::select_all()?;
        let inner = std::mem::replace(part.query.as_mut(), all);
        if let SetExpr::Select(select) = part.query.body.as_mut()
            && let Some(from) = select.from.first_mut()
        {
            from.relation = TableFactor::Derived {
                lateral: false,
                subquery: Box::new(inner),
                alias: Some(TableAlias {
                    explicit: true,
                    name: part.alias.name.clone(),
                    columns: std::mem::take(&mut part.alias.columns),
                    at: None,
                }),
                sample: None,
            };
        }
    }
    Ok(())
}

/// How many columns a query has, if its text tells.
fn count(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let is_plain = |item: &SelectItem| {
                matches!(
                    item,
                    SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
                )
            };
            let plain = select.projection.iter().all(is_plain);
            plain.then_some(select.projection.len())
        }
        SetExpr::SetOperation { left, .. } => count(left),
        SetExpr::Query(query) => count(&query.body),
        SetExpr::Values(values) => values.rows.first().map(|row| row.len()),
        _ => None,
    }
}
