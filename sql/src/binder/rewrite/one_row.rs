//! A join as one table: `FROM a JOIN b ON ...` -> `FROM (SELECT a.x AS "a x", b.x AS "b x" FROM a JOIN b ON ...)`, with
//! the names around it changed to match. CONNECT BY wants it, whose rows are those of the join.

use super::using::{Columns, name_of};
use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::statement::query::Query as Parsed;
use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, VisitMut,
    VisitorMut,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// The name of the one table.
const JOINED: &str = "joined rows";

/// A table of the join: its name as written, and its columns.
struct Table {
    name: Vec<Ident>,
    columns: Vec<String>,
}

impl Table {
    fn is(&self, parts: &[Ident]) -> bool {
        // `schema.table` is also reached as `table`.
        let tail = self.name.len().checked_sub(parts.len());
        let tail = tail.and_then(|start| self.name.get(start..));
        tail.is_some_and(|tail| {
            let mut pairs = tail.iter().zip(parts);
            !parts.is_empty() && pairs.all(|(known, part)| folded(known) == folded(part))
        })
    }

    /// The name of a column in the one table; no user can write it, for the space.
    fn joined(&self, column: &str) -> Ident {
        let table: Vec<String> = self.name.iter().map(folded).collect();
        Ident::with_quote('"', format!("{} {column}", table.join(".")))
    }
}

/// `SELECT * FROM t`.
pub(in crate::binder) fn select_all() -> Result<Query> {
    Ok(*Parsed::parse("SELECT * FROM t")?.tree)
}

/// Makes one table of a query's FROM.
pub(in crate::binder) fn join(query: &mut Query, columns: &mut Columns<'_>) -> Result<()> {
    let mut inner = select_all()?;
    let (SetExpr::Select(select), SetExpr::Select(below)) =
        (query.body.as_mut(), inner.body.as_mut())
    else {
        return Ok(());
    };
    let tables = tables(&select.from, columns)?;
    below.from = std::mem::take(&mut select.from);
    below.projection = all(&tables, |table, column| {
        let place = [table.name.as_slice(), &[Ident::with_quote('"', column)]].concat();
        SelectItem::ExprWithAlias {
            expr: Expr::CompoundIdentifier(place),
            alias: table.joined(column),
        }
    });
    let mut listed = HashSet::new();
    for item in std::mem::take(&mut select.projection) {
        list(select, item, &tables)?;
    }
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item {
            listed.insert(folded(alias));
        }
    }
    rename(select.as_mut(), &tables, HashSet::new())?;
    if let Some(order) = &mut query.order_by
        && let OrderByKind::Expressions(keys) = &mut order.kind
    {
        for key in keys {
            rename(&mut key.expr, &tables, listed.clone())?;
        }
    }
    select.from = vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(inner),
            alias: Some(TableAlias {
                explicit: true,
                name: Ident::with_quote('"', JOINED),
                columns: Vec::new(),
                at: None,
            }),
            sample: None,
        },
        joins: Vec::new(),
    }];
    Ok(())
}

fn tables(from: &[TableWithJoins], columns: &mut Columns<'_>) -> Result<Vec<Table>> {
    let factors = from.iter().flat_map(|item| {
        let joined = item.joins.iter().map(|join| &join.relation);
        std::iter::once(&item.relation).chain(joined)
    });
    let mut tables = Vec::new();
    for factor in factors {
        let (Some(name), Some(columns)) = (name_of(factor), columns(factor)) else {
            return Err(Error::unsupported(
                "CONNECT BY over a join of these tables",
                "Join the tables in a subquery, each with an alias",
            ));
        };
        tables.push(Table { name, columns });
    }
    Ok(tables)
}

fn all(tables: &[Table], item: impl Fn(&Table, &str) -> SelectItem) -> Vec<SelectItem> {
    let item = &item;
    let columns = tables
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| item(table, column)));
    columns.collect()
}

/// Adds what an item of the select list stands for, under the names it would have had.
fn list(select: &mut Select, item: SelectItem, tables: &[Table]) -> Result<()> {
    let named = |table: &Table, column: &str| SelectItem::ExprWithAlias {
        expr: Expr::Identifier(table.joined(column)),
        alias: Ident::with_quote('"', column),
    };
    let keep = |excluded: Option<&ExcludeSelectItem>, item: &SelectItem| match (excluded, item) {
        (Some(excluded), SelectItem::ExprWithAlias { alias, .. }) => {
            let names = match excluded {
                ExcludeSelectItem::Single(name) => std::slice::from_ref(name),
                ExcludeSelectItem::Multiple(names) => names.as_slice(),
            };
            let names = names.iter().filter_map(|name| name.0.last()?.as_ident());
            !names.into_iter().any(|name| folded(name) == alias.value)
        }
        _ => true,
    };
    match item {
        SelectItem::Wildcard(options) => {
            let items = all(tables, named).into_iter();
            select
                .projection
                .extend(items.filter(|item| keep(options.opt_exclude.as_ref(), item)));
        }
        SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(ref name),
            ref options,
        ) => {
            let parts: Option<Vec<Ident>> =
                name.0.iter().map(|part| part.as_ident().cloned()).collect();
            let parts = parts.unwrap_or_default();
            let Some(table) = tables.iter().find(|table| table.is(&parts)) else {
                return Err(Error::new(
                    SqlState::UNDEFINED_TABLE,
                    format!("missing FROM-clause entry for table \"{name}\""),
                ));
            };
            let items = all(std::slice::from_ref(table), named).into_iter();
            select
                .projection
                .extend(items.filter(|item| keep(options.opt_exclude.as_ref(), item)));
        }
        SelectItem::UnnamedExpr(expr) => {
            let alias = match &expr {
                Expr::Identifier(name) => Some(name.clone()),
                Expr::CompoundIdentifier(parts) => parts.last().cloned(),
                _ => None,
            };
            select.projection.push(match alias {
                Some(alias) => SelectItem::ExprWithAlias { expr, alias },
                None => SelectItem::UnnamedExpr(expr),
            });
        }
        other => select.projection.push(other),
    }
    Ok(())
}

fn rename(part: &mut impl VisitMut, tables: &[Table], listed: HashSet<String>) -> Result<()> {
    let mut names = Names {
        tables,
        listed,
        depth: 0,
        inner: Vec::new(),
    };
    match VisitMut::visit(part, &mut names) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Puts the columns of the one table for those of the tables it is made of. In subqueries only what is written with its
/// table is changed, as a bare name may be a column there.
struct Names<'a> {
    tables: &'a [Table],
    /// Names of the select list, which come first in ORDER BY.
    listed: HashSet<String>,
    depth: usize,
    /// Tables of the subqueries around, whose names come before ours.
    inner: Vec<Vec<String>>,
}

impl VisitorMut for Names<'_> {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let factors = select.from.iter().flat_map(|item| {
            let joined = item.joins.iter().map(|join| &join.relation);
            std::iter::once(&item.relation).chain(joined)
        });
        let names = factors.filter_map(|factor| name_of(factor)?.last().map(folded));
        self.inner.push(match self.depth {
            0 => Vec::new(),
            _ => names.collect(),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Error> {
        self.inner.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let renamed = match expr {
            Expr::Identifier(name) if self.depth == 0 => {
                let column = folded(name);
                if self.listed.contains(&column) {
                    return ControlFlow::Continue(());
                }
                let mut owners = self
                    .tables
                    .iter()
                    .filter(|table| table.columns.contains(&column));
                let owner = owners.next();
                if owners.next().is_some() {
                    let text = format!("column reference \"{column}\" is ambiguous");
                    return ControlFlow::Break(
                        Error::new(SqlState::AMBIGUOUS_COLUMN, text)
                            .with_hint("Write the table's name or alias before the column"),
                    );
                }
                owner.map(|table| (table.joined(&column), name.span))
            }
            Expr::CompoundIdentifier(parts) => match parts.split_last() {
                Some((name, parts)) => {
                    let column = folded(name);
                    let table = parts.last().map(folded).unwrap_or_default();
                    let is_inner = self.inner.iter().any(|names| names.contains(&table));
                    let mut owners = self.tables.iter().filter(|_| !is_inner);
                    owners
                        .find(|table| table.is(parts) && table.columns.contains(&column))
                        .map(|table| (table.joined(&column), name.span))
                }
                None => None,
            },
            _ => None,
        };
        if let Some((mut name, span)) = renamed {
            name.span = span;
            *expr = Expr::Identifier(name);
        }
        ControlFlow::Continue(())
    }
}
