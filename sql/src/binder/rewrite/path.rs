//! Paths into SUPER values: the names behind a place are keys, as `c` in `x.b[2].c`; and arrays in FROM.

use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::parser::unpivot::MARK;
use sqlparser::ast::{
    AccessExpr, Expr, Ident, JsonPath, JsonPathElem, NullInclusion, ObjectNamePart, Select,
    Subscript, TableAlias, TableFactor, TableWithJoins, Value,
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
/// what it is; no user can write one. With nulls included it is one of an object.
pub(super) fn rewrite_from(select: &mut Select) -> Result<()> {
    let mut index = 0;
    while index < select.from.len() {
        let path = select.from.get(index).and_then(|from| {
            from.joins
                .is_empty()
                .then(|| path_of(&from.relation))
                .flatten()
        });
        let Some(path) = path else {
            if let Some(from) = select.from.get(index) {
                refuse_joined(from)?;
            }
            index += 1;
            continue;
        };
        let before = select.from.iter().take(index);
        let holder = before.map(|from| &from.relation).position(|relation| {
            let found = match path.is_alone {
                true => elements(relation),
                false => names(relation),
            };
            found.contains(&path.root)
        });
        let Some(holder) = holder else {
            if path.is_object {
                return Err(Error::unsupported(
                    format!(
                        "UNPIVOT of {}, which nothing before it in FROM holds,",
                        path.root
                    ),
                    "Name the table first: FROM t, UNPIVOT t.object AS value AT attribute",
                ));
            }
            index += 1;
            continue;
        };
        select.from.remove(index);
        if let Some(from) = select.from.get_mut(holder) {
            from.relation = TableFactor::Unpivot {
                table: Box::new(from.relation.clone()),
                value: path.value,
                name: path.alias.name.clone(),
                columns: Vec::new(),
                null_inclusion: path.is_object.then_some(NullInclusion::IncludeNulls),
                alias: path.alias.at.map(|place| TableAlias {
                    explicit: true,
                    name: place,
                    columns: Vec::new(),
                    at: None,
                }),
            };
        }
    }
    Ok(())
}

/// Refuses the UNPIVOT of an object that is joined by JOIN.
fn refuse_joined(from: &TableWithJoins) -> Result<()> {
    let relations =
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    let is_object = |relation: &TableFactor| path_of(relation).is_some_and(|path| path.is_object);
    match relations.into_iter().any(is_object) {
        true => Err(Error::unsupported(
            "UNPIVOT of an object beside JOIN",
            "Write it behind a comma: FROM t, UNPIVOT t.object AS value AT attribute",
        )),
        false => Ok(()),
    }
}

/// A path in FROM.
struct Path {
    /// Its first name.
    root: String,
    /// The array or object.
    value: Expr,
    alias: TableAlias,
    /// Whether UNPIVOT stands before it.
    is_object: bool,
    /// Whether it is a name alone, which may well be a table's.
    is_alone: bool,
}

fn path_of(relation: &TableFactor) -> Option<Path> {
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
    let mut parts = parts?;
    let first = parts.first_mut()?;
    let is_object = first.value.starts_with(MARK);
    first.value = first.value.trim_start_matches(MARK).to_owned();
    let root = folded(first);
    let is_alone = parts.len() == 1 && json_path.is_none();
    let last = parts.last()?.clone();
    let alias = alias.clone().unwrap_or(TableAlias {
        explicit: false,
        name: last.clone(),
        columns: Vec::new(),
        at: None,
    });
    let names = match parts.len() {
        1 => Expr::Identifier(last),
        _ => Expr::CompoundIdentifier(parts),
    };
    let value = match json_path {
        None => names,
        Some(path) => Expr::CompoundFieldAccess {
            root: Box::new(names),
            access_chain: steps(path)?,
        },
    };
    Some(Path {
        root,
        value,
        alias,
        is_object,
        is_alone,
    })
}

/// The names of the elements that a FROM item unnests.
fn elements(relation: &TableFactor) -> Vec<String> {
    match relation {
        TableFactor::Unpivot {
            table,
            name,
            columns,
            ..
        } if columns.is_empty() => {
            let mut found = elements(table);
            found.push(folded(name));
            found
        }
        _ => Vec::new(),
    }
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
