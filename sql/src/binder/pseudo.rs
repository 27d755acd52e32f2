//! Pseudocolumns of external tables: there when a query names one, and never part of `*`.
//!
//! A query that names none gets tables without them. In one that does, `*` is written with what it leaves out.

use super::Names;
use super::ident::folded;
use crate::error::{Error, Result};
use crate::statement::ObjectName;
use crate::statement::external::PSEUDO_COLUMNS;
use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    TableFactor, Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};
use std::ops::ControlFlow;

fn is_pseudo(ident: &Ident) -> bool {
    ident.quote_style.is_some() && PSEUDO_COLUMNS.contains(&ident.value.as_str())
}

/// Tells whether a query names a pseudocolumn.
pub(super) fn is_named(query: &Query) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let is_found = match expr {
                Expr::Identifier(ident) => is_pseudo(ident),
                Expr::CompoundIdentifier(parts) => parts.last().is_some_and(is_pseudo),
                _ => false,
            };
            match is_found {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    query.visit(&mut Search).is_break()
}

/// Leaves pseudocolumns out of every `*` of a query that names one.
pub(super) fn rewrite(names: &dyn Names, query: &mut Query) -> Result<()> {
    match VisitMut::visit(query, &mut Stars { names }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Stars<'a> {
    names: &'a dyn Names,
}

/// A table of FROM: how it is called, and its pseudocolumns.
struct Table {
    name: sqlparser::ast::ObjectName,
    hidden: Vec<&'static str>,
}

impl VisitorMut for Stars<'_> {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let is_star = |item: &SelectItem| {
            matches!(
                item,
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
            )
        };
        if !select.projection.iter().any(is_star) {
            return ControlFlow::Continue(());
        }
        let joined = select.from.iter().flat_map(|from| {
            let joined = from.joins.iter().map(|join| &join.relation);
            std::iter::once(&from.relation).chain(joined)
        });
        let tables: Option<Vec<Table>> = joined.map(|factor| self.table(factor)).collect();
        let Some(tables) = tables else {
            return ControlFlow::Continue(());
        };
        if tables.iter().all(|table| table.hidden.is_empty()) {
            return ControlFlow::Continue(());
        }
        let mut items = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            match item {
                SelectItem::Wildcard(options) => match tables.as_slice() {
                    [only] => items.push(SelectItem::Wildcard(without(options, &only.hidden))),
                    many => items.extend(many.iter().map(|table| {
                        let kind = SelectItemQualifiedWildcardKind::ObjectName(table.name.clone());
                        SelectItem::QualifiedWildcard(kind, without(options.clone(), &table.hidden))
                    })),
                },
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    let meant = |table: &&Table| last(&table.name) == last(&name);
                    let hidden = tables.iter().find(meant);
                    let hidden = hidden.map_or(&[][..], |table| table.hidden.as_slice());
                    let kind = SelectItemQualifiedWildcardKind::ObjectName(name);
                    items.push(SelectItem::QualifiedWildcard(
                        kind,
                        without(options, hidden),
                    ));
                }
                other => items.push(other),
            }
        }
        select.projection = items;
        ControlFlow::Continue(())
    }
}

impl Stars<'_> {
    /// Gives what is known of a table of FROM; `None` if it cannot be named.
    fn table(&self, factor: &TableFactor) -> Option<Table> {
        match factor {
            TableFactor::Table {
                name,
                args: None,
                alias,
                ..
            } => {
                let hidden = self.hidden(name);
                let name = match alias {
                    Some(alias) => alias.name.clone().into(),
                    None => name.clone(),
                };
                Some(Table { name, hidden })
            }
            TableFactor::Derived { alias, .. } => Some(Table {
                name: alias.as_ref()?.name.clone().into(),
                hidden: Vec::new(),
            }),
            _ => None,
        }
    }

    /// Gives the pseudocolumns of a table. What is not found, as a name of WITH, has none.
    fn hidden(&self, name: &sqlparser::ast::ObjectName) -> Vec<&'static str> {
        let parts: Option<Vec<String>> = name
            .0
            .iter()
            .map(|part| part.as_ident().map(folded))
            .collect();
        let mut parts = parts.unwrap_or_default().into_iter().rev();
        let object = ObjectName {
            name: parts.next().unwrap_or_default(),
            schema: parts.next(),
            database: parts.next(),
            position: 0,
        };
        // External tables are never found without their schema.
        if object.schema.is_none() {
            return Vec::new();
        }
        let Ok(source) = self.names.table_with_pseudo_columns(&object) else {
            return Vec::new();
        };
        let schema = source.schema();
        let is_there = |name: &&'static str| schema.field_with_name(name).is_ok();
        PSEUDO_COLUMNS.into_iter().filter(is_there).collect()
    }
}

fn last(name: &sqlparser::ast::ObjectName) -> Option<String> {
    name.0.last()?.as_ident().map(folded)
}

fn without(options: WildcardAdditionalOptions, hidden: &[&str]) -> WildcardAdditionalOptions {
    if hidden.is_empty() {
        return options;
    }
    let mut excluded = match options.opt_exclude {
        None => Vec::new(),
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
    };
    excluded.extend(
        hidden
            .iter()
            .map(|name| sqlparser::ast::ObjectName::from(vec![Ident::with_quote('"', *name)])),
    );
    WildcardAdditionalOptions {
        opt_exclude: Some(ExcludeSelectItem::Multiple(excluded)),
        ..options
    }
}
