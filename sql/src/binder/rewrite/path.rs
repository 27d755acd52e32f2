//! Paths into SUPER values: the names behind a place are keys, as `c` in `x.b[2].c`; and arrays in FROM.

use crate::binder::ident::folded;
use sqlparser::ast::{
    AccessExpr, Expr, Ident, JsonPath, JsonPathElem, ObjectNamePart, Select, Subscript, TableAlias,
    TableFactor, Value,
};

/// `x[0].b`, as the parser gives it, into the form that the planner takes.
pub(super) fn rewrite_access(expr: &mut Expr) {
    let Expr::JsonAccess { value, path } = expr else {
        return;
    };
    if let Some(chain) = steps(path) {
        *expr = Expr::CompoundFieldAccess {
            root: value.clone(),
            access_chain: chain,
        };
    }
}

fn steps(path: &JsonPath) -> Option<Vec<AccessExpr>> {
    let steps = path.path.iter().map(|step| match step {
        JsonPathElem::Dot { key, quoted } => {
            let key = if *quoted {
                key.clone()
            } else {
                key.to_lowercase()
            };
            Some(AccessExpr::Dot(Expr::Value(
                Value::SingleQuotedString(key).into(),
            )))
        }
        JsonPathElem::Bracket { key } => Some(AccessExpr::Subscript(Subscript::Index {
            index: key.clone(),
        })),
        JsonPathElem::ColonBracket { .. } => None,
    });
    steps.collect()
}

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { access_chain, .. } = expr else {
        return;
    };
    let mut behind_place = false;
    for step in access_chain {
        match step {
            AccessExpr::Subscript(_) => behind_place = true,
            AccessExpr::Dot(key) => {
                if let Expr::Identifier(ident) = key
                    && behind_place
                {
                    *key = Expr::Value(Value::SingleQuotedString(folded(ident)).into());
                }
            }
        }
    }
}

/// `FROM t, t.array AS a AT place` -> an UNPIVOT without columns over `t`, which the planner of relations knows for
/// what it is; no user can write one.
pub(super) fn rewrite_from(select: &mut Select) {
    let mut index = 1;
    while index < select.from.len() {
        let path = select.from.get(index).and_then(|from| {
            from.joins
                .is_empty()
                .then(|| path_of(&from.relation))
                .flatten()
        });
        let Some((root, path, alias)) = path else {
            index += 1;
            continue;
        };
        let holder = select
            .from
            .iter()
            .take(index)
            .position(|from| names(&from.relation).contains(&root));
        let Some(holder) = holder else {
            index += 1;
            continue;
        };
        select.from.remove(index);
        if let Some(from) = select.from.get_mut(holder) {
            from.relation = TableFactor::Unpivot {
                table: Box::new(from.relation.clone()),
                value: path,
                name: alias.name.clone(),
                columns: Vec::new(),
                null_inclusion: None,
                alias: alias.at.map(|place| TableAlias {
                    explicit: true,
                    name: place,
                    columns: Vec::new(),
                    at: None,
                }),
            };
        }
    }
}

/// The first name of a path, the path and its alias.
fn path_of(relation: &TableFactor) -> Option<(String, Expr, TableAlias)> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        json_path,
        ..
    } = relation
    else {
        return None;
    };
    let parts: Option<Vec<Ident>> = name.0.iter().map(|part| part.as_ident().cloned()).collect();
    let parts = parts.filter(|parts| parts.len() > 1 || json_path.is_some())?;
    let root = folded(parts.first()?);
    let last = parts.last()?.clone();
    let alias = alias.clone().unwrap_or(TableAlias {
        explicit: false,
        name: last,
        columns: Vec::new(),
        at: None,
    });
    let names = Expr::CompoundIdentifier(parts);
    let path = match json_path {
        None => names,
        Some(path) => Expr::CompoundFieldAccess {
            root: Box::new(names),
            access_chain: steps(path)?,
        },
    };
    Some((root, path, alias))
}

/// The names that a FROM item's columns can be reached by.
fn names(relation: &TableFactor) -> Vec<String> {
    match relation {
        TableFactor::Table { name, alias, .. } => {
            let own = name.0.last().and_then(ObjectNamePart::as_ident);
            let name = alias.as_ref().map(|alias| &alias.name).or(own);
            name.map(folded).into_iter().collect()
        }
        TableFactor::Derived {
            alias: Some(alias), ..
        } => vec![folded(&alias.name)],
        TableFactor::Unpivot {
            table,
            name,
            columns,
            ..
        } if columns.is_empty() => {
            let mut found = names(table);
            found.push(folded(name));
            found
        }
        _ => Vec::new(),
    }
}
