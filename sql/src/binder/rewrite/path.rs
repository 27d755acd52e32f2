//! Paths into SUPER values: the names behind a place are keys, as `c` in `x.b[2].c`; and arrays in FROM.

use super::around::Around;
use super::joined_array;
use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::parser::unpivot::MARK;
use crate::sqlstate::SqlState;
use crate::statement::query::Query;
use sqlparser::ast::{
    AccessExpr, Expr, Ident, JsonPath, JsonPathElem, NullInclusion, ObjectNamePart, Select,
    Subscript, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value,
    visit_expressions,
};
use std::ops::ControlFlow;

/// The column of the row that an array of no table is unnested beside; no user can name it.
pub(in crate::binder) const NOTHING: &str = "\u{1}nothing";

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
    let Expr::CompoundFieldAccess { root, access_chain } = expr else {
        return;
    };
    // A value that is no column has no table before it: `json_parse(text).key`.
    let is_name = matches!(
        root.as_ref(),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_)
    );
    let mut behind_place = !is_name;
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
/// what it is; no user can write one. With nulls included it is one of an object, with nulls excluded one of an array
/// behind LEFT JOIN. An array of a query around stands beside a row of nothing.
pub(super) fn rewrite_from(select: &mut Select, around: &Around) -> Result<()> {
    joined_array::split(select);
    for from in &mut select.from {
        joined_array::keep_left(from);
    }
    rewrite_outer(select, around)?;
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
        if path.is_call {
            unnest(select, index, path)?;
            continue;
        }
        let holds = |relation: &TableFactor| {
            let found = match path.is_alone {
                true => elements(relation),
                false => names(relation),
            };
            found.contains(&path.root)
        };
        let mut before = select.from.iter().take(index).enumerate();
        let holder = before.find_map(|(at, from)| Some((at, place_in(from, &holds)?)));
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
        let (holder, place) = holder;
        let holder = select.from.get_mut(holder).and_then(|from| match place {
            None => Some(&mut from.relation),
            Some(join) => Some(&mut from.joins.get_mut(join)?.relation),
        });
        if let Some(relation) = holder {
            *relation = unpivoted(relation.clone(), path, false);
        }
    }
    Ok(())
}

/// Writes arrays and objects of the rows around, which no table before them in FROM holds.
fn rewrite_outer(select: &mut Select, around: &Around) -> Result<()> {
    let mut known: Vec<String> = Vec::new();
    for from in &mut select.from {
        let joined = from.joins.iter_mut().map(|join| &mut join.relation);
        for relation in std::iter::once(&mut from.relation).chain(joined) {
            if let Some(mut path) = path_of(relation)
                && !path.is_call
                && !known.contains(&path.root)
                && around.reach(&path.root, path.is_alone, &mut path.value)
            {
                *relation = unpivoted(nothing()?, path, false);
            }
            known.extend(names(relation));
        }
    }
    Ok(())
}

/// A row of nothing, for an array to stand beside.
fn nothing() -> Result<TableFactor> {
    let nothing = Query::parse(&format!("SELECT 1 AS \"{NOTHING}\""))?;
    Ok(TableFactor::Derived {
        lateral: false,
        subquery: nothing.tree,
        alias: None,
        sample: None,
    })
}

/// A table beside the elements of an array, or the attributes of an object; `keeps_all` says that rows without elements
/// stay.
pub(super) fn unpivoted(table: TableFactor, path: Path, keeps_all: bool) -> TableFactor {
    TableFactor::Unpivot {
        table: Box::new(table),
        value: path.value,
        name: path.alias.name.clone(),
        columns: Vec::new(),
        null_inclusion: match (path.is_object, keeps_all) {
            (true, _) => Some(NullInclusion::IncludeNulls),
            (false, true) => Some(NullInclusion::ExcludeNulls),
            (false, false) => None,
        },
        alias: path.alias.at.map(|place| TableAlias {
            explicit: true,
            name: place,
            columns: Vec::new(),
            at: None,
        }),
    }
}

/// Finds a relation of an item: the first, or that of an inner join, which may as well be unnested before it is joined.
fn place_in(from: &TableWithJoins, holds: &dyn Fn(&TableFactor) -> bool) -> Option<Option<usize>> {
    if holds(&from.relation) {
        return Some(None);
    }
    if !from.joins.iter().all(joined_array::is_inner) {
        return None;
    }
    let joined = from.joins.iter().position(|join| holds(&join.relation));
    joined.map(Some)
}

/// `FROM t, UNNEST(t.array) [WITH OFFSET] AS a (value, place)`: as `t.array AS value AT place`, whose columns are of `a`.
/// An array that no table holds is unnested beside a row of nothing.
fn unnest(select: &mut Select, index: usize, path: Path) -> Result<()> {
    let before = select.from.iter().take(index);
    let relations: Vec<_> = before.map(|from| &from.relation).collect();
    let roots = roots(&path.value);
    let holder = relations
        .iter()
        .position(|relation| names(relation).iter().any(|name| roots.contains(name)));
    // A bare column is of what stands before it, if that is one item.
    let holder = holder.or_else(|| (!roots.is_empty() && !relations.is_empty()).then_some(0));
    let mut columns = path.alias.columns.into_iter().map(|column| column.name);
    let (name, place) = (columns.next(), columns.next());
    if columns.next().is_some() || place.is_some() && !path.has_place {
        let text = format!(
            "table \"{}\" has {} columns available but more are specified",
            folded(&path.alias.name),
            1 + usize::from(path.has_place)
        );
        return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, text)
            .with_hint("Write WITH OFFSET for the places of the elements"));
    }
    let place = path
        .has_place
        .then(|| place.unwrap_or_else(|| Ident::new("offset")));
    let place = place.unwrap_or_else(|| Ident::new(""));
    let qualifier = TableAliasColumnDef {
        name: path.alias.name.clone(),
        data_type: None,
    };
    let unnested = |table: TableFactor, name: &Option<Ident>| TableFactor::Unpivot {
        table: Box::new(table),
        value: path.value.clone(),
        name: name.clone().unwrap_or_else(|| path.alias.name.clone()),
        columns: Vec::new(),
        null_inclusion: None,
        alias: Some(TableAlias {
            explicit: true,
            name: place.clone(),
            // A value without a name is called as the item is, so that paths lead into it.
            columns: name.iter().map(|_| qualifier.clone()).collect(),
            at: None,
        }),
    };
    match holder {
        Some(holder) => {
            select.from.remove(index);
            if let Some(from) = select.from.get_mut(holder) {
                from.relation = unnested(from.relation.clone(), &name);
            }
        }
        None => {
            let nothing = nothing()?;
            if let Some(from) = select.from.get_mut(index) {
                from.relation = unnested(nothing, &name);
            }
        }
    }
    Ok(())
}

/// The first names of the columns in an expression.
fn roots(expr: &Expr) -> Vec<String> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = visit_expressions(expr, |part| {
        match part {
            Expr::Identifier(name) => found.push(folded(name)),
            Expr::CompoundIdentifier(names) => found.extend(names.first().map(folded)),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    found
}

/// Refuses the UNPIVOT of an object, and UNNEST, that is joined by JOIN.
fn refuse_joined(from: &TableWithJoins) -> Result<()> {
    let relations =
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    let is_object = |relation: &TableFactor| path_of(relation).is_some_and(|path| path.is_object);
    let is_call = |relation: &TableFactor| path_of(relation).is_some_and(|path| path.is_call);
    let mut joined = from.joins.iter().map(|join| &join.relation);
    if joined.any(is_call) || !from.joins.is_empty() && is_call(&from.relation) {
        return Err(Error::unsupported(
            "UNNEST beside JOIN",
            "Write it behind a comma: FROM t, UNNEST(t.array) AS a (value)",
        ));
    }
    match relations.into_iter().any(is_object) {
        true => Err(Error::unsupported(
            "UNPIVOT of an object beside JOIN",
            "Write it behind a comma: FROM t, UNPIVOT t.object AS value AT attribute",
        )),
        false => Ok(()),
    }
}

/// A path in FROM.
pub(super) struct Path {
    /// Its first name.
    pub(super) root: String,
    /// The array or object.
    value: Expr,
    pub(super) alias: TableAlias,
    /// Whether UNPIVOT stands before it.
    pub(super) is_object: bool,
    /// Whether it is a name alone, which may well be a table's.
    pub(super) is_alone: bool,
    /// Whether it is UNNEST(array).
    pub(super) is_call: bool,
    /// Whether WITH OFFSET stands behind that.
    has_place: bool,
}

pub(super) fn path_of(relation: &TableFactor) -> Option<Path> {
    if let TableFactor::UNNEST {
        alias,
        array_exprs,
        with_ordinality,
        ..
    } = relation
    {
        let [value] = array_exprs.as_slice() else {
            return None;
        };
        return Some(Path {
            root: String::new(),
            value: value.clone(),
            alias: alias.clone().unwrap_or_else(|| TableAlias {
                explicit: false,
                name: Ident::new("unnest"),
                columns: Vec::new(),
                at: None,
            }),
            is_object: false,
            is_alone: false,
            is_call: true,
            has_place: *with_ordinality,
        });
    }
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
        is_call: false,
        has_place: false,
    })
}

fn relations(from: &TableWithJoins) -> impl Iterator<Item = &TableFactor> {
    let joined = from.joins.iter().map(|join| &join.relation);
    std::iter::once(&from.relation).chain(joined)
}

/// The names of the elements that a FROM item unnests.
pub(super) fn elements(relation: &TableFactor) -> Vec<String> {
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
        TableFactor::NestedJoin {
            table_with_joins: inside,
            alias: None,
        } => relations(inside).flat_map(elements).collect(),
        _ => Vec::new(),
    }
}

/// The names that a FROM item's columns can be reached by.
pub(super) fn names(relation: &TableFactor) -> Vec<String> {
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
            alias,
            ..
        } if columns.is_empty() => {
            let mut found = names(table);
            found.push(folded(name));
            let qualifiers = alias.iter().flat_map(|alias| &alias.columns);
            found.extend(qualifiers.map(|qualifier| folded(&qualifier.name)));
            found
        }
        TableFactor::NestedJoin {
            table_with_joins: inside,
            alias: None,
        } => relations(inside).flat_map(names).collect(),
        _ => Vec::new(),
    }
}
