//! Lateral column aliases: `SELECT a * 2 AS x, x + 1 AS y`, also in WHERE, HAVING and QUALIFY.
//!
//! A name is first a column and only then an alias, and which columns there are is known when the engine has planned
//! FROM. So a query is planned as it stands; when a name in it turns out not to be a column, it is replaced by what
//! the select list around it says it means, and the query is planned again. In a subquery of the list the columns of an
//! alias are written with their table, as a bare name might be another's there.

use super::Names as Catalog;
use super::rewrite::using::name_of;
use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// How many names one query may have replaced; each costs a planning.
const REPLACED_MAX: usize = 1_000;
/// How many expressions a replaced tree may have, for aliases of aliases that double at each step.
const EXPRESSIONS_MAX: usize = 20_000;

/// A name that is not a column, where the query names it.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    name: String,
    position: usize,
}

/// Gives the name an error is about, if it may be an alias.
pub(super) fn missing(error: &Error, known: &[Missing]) -> Option<Missing> {
    let is_name =
        error.code == SqlState::UNDEFINED_COLUMN || error.code == SqlState::GROUPING_ERROR;
    let name = error.message.split('"').nth(1)?;
    let found = Missing {
        name: name.to_owned(),
        position: error.position?,
    };
    let again = |other: &Missing| other.position == found.position && other.name == found.name;
    (is_name && known.len() < REPLACED_MAX && !known.iter().any(again)).then_some(found)
}

/// Replaces a name by its alias's expression; `false` if no select list around it has the alias.
pub(super) fn replace(query: &mut Query, missing: &Missing, catalog: &dyn Catalog) -> Result<bool> {
    let mut replacer = Replacer {
        missing,
        catalog,
        replaced: false,
    };
    if let ControlFlow::Break(Some(error)) = VisitMut::visit(query, &mut replacer) {
        return Err(error);
    }
    if replacer.replaced && count(query) > EXPRESSIONS_MAX {
        return Err(Error::new(
            SqlState::STATEMENT_TOO_COMPLEX,
            "aliases of aliases make the query too large",
        )
        .with_hint("Compute the inner columns in a subquery"));
    }
    Ok(replacer.replaced)
}

struct Replacer<'a> {
    missing: &'a Missing,
    catalog: &'a dyn Catalog,
    replaced: bool,
}

impl VisitorMut for Replacer<'_> {
    type Break = Option<Error>;

    // After its subqueries, so that the innermost list that has the alias gives it.
    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Option<Error>> {
        if !holds(select, self.missing.position) {
            return ControlFlow::Continue(());
        }
        let defined = select
            .projection
            .iter()
            .enumerate()
            .find_map(|(index, item)| match item {
                SelectItem::ExprWithAlias { expr, alias } if folded(alias) == self.missing.name => {
                    Some((index, expr.clone()))
                }
                _ => None,
            });
        let Some((index, definition)) = defined else {
            return ControlFlow::Continue(());
        };
        let outer = outer(select, &definition, self.catalog);
        let mut names = Names {
            missing: self.missing,
            definition: Expr::Nested(Box::new(definition)),
            outer: outer.map(|expr| Expr::Nested(Box::new(expr))),
            tables: Vec::new(),
            subqueries: 0,
            replaced: false,
            refused: false,
        };
        for item in select.projection.iter_mut().skip(index + 1) {
            let _ = VisitMut::visit(item, &mut names);
        }
        for clause in [
            &mut select.selection,
            &mut select.having,
            &mut select.qualify,
        ] {
            let _ = VisitMut::visit(clause, &mut names);
        }
        self.replaced = names.replaced;
        ControlFlow::Break(names.refused.then(|| {
            let mut error = Error::unsupported(
                format!("alias \"{}\" in this subquery", self.missing.name),
                "Write the expression there, each column with its table",
            );
            error.position = Some(self.missing.position);
            error
        }))
    }
}

/// Gives the expression of an alias with the table before each column, if that is known; `None` if it cannot stand in a
/// subquery.
fn outer(select: &Select, definition: &Expr, catalog: &dyn Catalog) -> Option<Expr> {
    let table = match select.from.as_slice() {
        [from] if from.joins.is_empty() => name_of(&from.relation),
        _ => None,
    };
    let mut columns = Columns { table, catalog };
    let mut expr = definition.clone();
    match VisitMut::visit(&mut expr, &mut columns) {
        ControlFlow::Continue(()) => Some(expr),
        ControlFlow::Break(()) => None,
    }
}

struct Columns<'a> {
    table: Option<Vec<Ident>>,
    catalog: &'a dyn Catalog,
}

impl VisitorMut for Columns<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(column) => match &self.table {
                Some(table) => {
                    let place = [table.as_slice(), std::slice::from_ref(column)].concat();
                    *expr = Expr::CompoundIdentifier(place);
                }
                None => return ControlFlow::Break(()),
            },
            // It would count the rows of the subquery.
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                if function.over.is_some() || self.catalog.aggregate_function(&name).is_some() {
                    return ControlFlow::Break(());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Tells whether the identifier at a position stands in a select, perhaps in a subquery of it.
fn holds(select: &mut Select, position: usize) -> bool {
    struct At(u64);
    impl VisitorMut for At {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) if ident.span.start.column == self.0 => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let Ok(position) = u64::try_from(position) else {
        return false;
    };
    VisitMut::visit(select, &mut At(position)).is_break()
}

fn count(query: &mut Query) -> usize {
    struct Count(usize);
    impl VisitorMut for Count {
        type Break = ();
        fn pre_visit_expr(&mut self, _expr: &mut Expr) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }
    }
    let mut count = Count(0);
    let _ = VisitMut::visit(query, &mut count);
    count.0
}

/// Replaces a name wherever it stands outside subqueries, and in one where it was found missing.
struct Names<'a> {
    missing: &'a Missing,
    definition: Expr,
    /// The same for a subquery.
    outer: Option<Expr>,
    /// Tables of the subqueries around.
    tables: Vec<Vec<String>>,
    subqueries: usize,
    replaced: bool,
    refused: bool,
}

impl Names<'_> {
    /// Gives what stands for the alias in the subquery at hand, if nothing there is called as a table in it.
    fn in_subquery(&self) -> Option<&Expr> {
        struct Tables<'a>(&'a [Vec<String>]);
        impl VisitorMut for Tables<'_> {
            type Break = ();
            fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
                if let Expr::CompoundIdentifier(parts) = expr
                    && let Some(table) = parts.len().checked_sub(2).and_then(|at| parts.get(at))
                    && self.0.iter().any(|names| names.contains(&folded(table)))
                {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            }
        }
        let outer = self.outer.as_ref()?;
        let hidden = VisitMut::visit(&mut outer.clone(), &mut Tables(&self.tables)).is_break();
        (!hidden).then_some(outer)
    }
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.subqueries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.subqueries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors = select.from.iter().flat_map(|from| {
            let joined = from.joins.iter().map(|join| &join.relation);
            std::iter::once(&from.relation).chain(joined)
        });
        let names = factors.filter_map(|factor| name_of(factor)?.last().map(folded));
        self.tables.push(names.collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        self.tables.pop();
        ControlFlow::Continue(())
    }

    // After its parts: what is put in is not looked at again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Identifier(ident) = expr else {
            return ControlFlow::Continue(());
        };
        if folded(ident) != self.missing.name {
            return ControlFlow::Continue(());
        }
        let is_it = usize::try_from(ident.span.start.column) == Ok(self.missing.position);
        if self.subqueries == 0 {
            *expr = self.definition.clone();
            self.replaced = true;
        } else if is_it {
            match self.in_subquery().cloned() {
                Some(outer) => {
                    *expr = outer;
                    self.replaced = true;
                }
                None => self.refused = true,
            }
        }
        ControlFlow::Continue(())
    }
}
