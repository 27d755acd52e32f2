//! GROUPING SETS, ROLLUP and CUBE: what the engine does not know of them is written out as GROUPING SETS of columns,
//! nested ones and parentheses in ROLLUP and CUBE, and what Redshift refuses is refused.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{Expr, GroupByExpr, Select, SelectItem, Value};

/// How many sets one GROUP BY may have, with those that ROLLUP and CUBE stand for; the manual's bound.
const SETS_MAX: usize = 64;

pub(super) fn rewrite(select: &mut Select) -> Result<()> {
    let GroupByExpr::Expressions(items, modifiers) = &mut select.group_by else {
        return Ok(());
    };
    if !modifiers.is_empty() {
        return Err(Error::unsupported(
            "WITH behind GROUP BY",
            "Write GROUP BY ROLLUP (...) or CUBE (...)",
        ));
    }
    if !items.iter().any(is_extension) {
        return Ok(());
    }
    let mut all: Vec<Vec<Expr>> = vec![Vec::new()];
    for item in items.iter() {
        let sets = match listed(item, &select.projection) {
            Some(column) => vec![vec![column]],
            None => sets(item)?,
        };
        let is_constant = |column: &Expr| matches!(column, Expr::Value(_));
        if is_extension(item) && sets.iter().flatten().any(is_constant) {
            return Err(Error::unsupported(
                "a constant in GROUPING SETS, ROLLUP or CUBE",
                "Name the column or write the expression",
            ));
        }
        if all.len().saturating_mul(sets.len()) > SETS_MAX {
            return Err(too_many());
        }
        let together = |set: &Vec<Expr>| {
            let joined = sets.iter().map(|more| [set.as_slice(), more].concat());
            joined.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(together).collect();
    }
    if items.iter().any(is_deep) {
        *items = vec![Expr::GroupingSets(all)];
    }
    Ok(())
}

/// Gives what a number beside GROUPING SETS stands for in the select list.
fn listed(item: &Expr, list: &[SelectItem]) -> Option<Expr> {
    let Expr::Value(value) = item else {
        return None;
    };
    let Value::Number(digits, _) = &value.value else {
        return None;
    };
    let place = digits.parse::<usize>().ok()?.checked_sub(1)?;
    match list.get(place)? {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            Some(expr.clone())
        }
        _ => None,
    }
}

fn too_many() -> Error {
    Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("too many grouping sets present (maximum {SETS_MAX})"),
    )
    .with_hint("Group by fewer columns, or unite several queries")
}

fn is_extension(item: &Expr) -> bool {
    matches!(
        item,
        Expr::GroupingSets(_) | Expr::Rollup(_) | Expr::Cube(_)
    )
}

/// Tells whether the engine would not know what to do with it.
fn is_deep(item: &Expr) -> bool {
    let lists = match item {
        Expr::GroupingSets(lists) => lists,
        Expr::Rollup(lists) | Expr::Cube(lists) => {
            if lists.iter().any(|list| list.len() != 1) {
                return true;
            }
            lists
        }
        _ => return false,
    };
    let is_part = |part: &Expr| is_extension(part) || matches!(part, Expr::Tuple(_));
    lists.iter().flatten().any(is_part)
}

/// Gives the sets of columns that an item of GROUP BY stands for.
fn sets(item: &Expr) -> Result<Vec<Vec<Expr>>> {
    Ok(match item {
        Expr::GroupingSets(lists) => {
            let mut all = Vec::new();
            for list in lists {
                match list.as_slice() {
                    [nested] if is_extension(nested) => all.extend(sets(nested)?),
                    _ => all.push(columns(list)),
                }
                if all.len() > SETS_MAX {
                    return Err(too_many());
                }
            }
            all
        }
        Expr::Rollup(lists) => {
            if lists.len() >= SETS_MAX {
                return Err(too_many());
            }
            let ends = (0..=lists.len()).rev();
            ends.map(|end| {
                lists
                    .iter()
                    .take(end)
                    .flat_map(|list| columns(list))
                    .collect()
            })
            .collect()
        }
        Expr::Cube(lists) => {
            let count = u32::try_from(lists.len()).unwrap_or(u32::MAX);
            let count = 2_usize
                .checked_pow(count)
                .filter(|count| *count <= SETS_MAX);
            let masks = (0..count.ok_or_else(too_many)?).rev();
            let set = |mask: usize| {
                let places = lists.iter().rev().enumerate();
                let mut kept: Vec<_> = places
                    .filter(|(place, _)| mask >> place & 1 == 1)
                    .map(|(_, list)| columns(list))
                    .collect();
                kept.reverse();
                kept.concat()
            };
            masks.map(set).collect()
        }
        Expr::Tuple(parts) if parts.is_empty() => vec![Vec::new()],
        other => vec![columns(std::slice::from_ref(other))],
    })
}

/// Gives the columns of a list, with those in parentheses.
fn columns(list: &[Expr]) -> Vec<Expr> {
    list.iter()
        .flat_map(|item| match item {
            Expr::Tuple(parts) => columns(parts),
            Expr::Nested(inner) => vec![inner.as_ref().clone()],
            other => vec![other.clone()],
        })
        .collect()
}
