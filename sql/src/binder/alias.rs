//! Lateral column aliases: `SELECT a * 2 AS x, x + 1 AS y`, also in WHERE, HAVING and QUALIFY.
//!
//! A name is first a column and only then an alias, and which columns there are is known when the engine has planned
//! FROM. So a query is planned as it stands; when a name in it turns out not to be a column, it is replaced by what
//! the select list around it says it means, and the query is planned again.

use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{Expr, Query, Select, SelectItem, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// How many names one query may have replaced; each costs a planning.
const REPLACED_MAX: usize = 1_000;
/// How many expressions a replaced tree may have, for aliases of aliases that double at each step.
const EXPRESSIONS_MAX: usize = 100_000;

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
pub(super) fn replace(query: &mut Query, missing: &Missing) -> Result<bool> {
    let mut replacer = Replacer {
        missing,
        replaced: false,
    };
    let _ = VisitMut::visit(query, &mut replacer);
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
    replaced: bool,
}

impl VisitorMut for Replacer<'_> {
    type Break = ();

    // After its subqueries, so that the innermost list that has the alias gives it.
    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
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
        let mut names = Names {
            name: &self.missing.name,
            definition: Expr::Nested(Box::new(definition)),
            subqueries: 0,
            replaced: false,
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
        ControlFlow::Break(())
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

/// Replaces a name wherever it stands outside subqueries: in them the columns of its expression may mean others.
struct Names<'a> {
    name: &'a str,
    definition: Expr,
    subqueries: usize,
    replaced: bool,
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

    // After its parts: what is put in is not looked at again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && self.subqueries == 0
            && folded(ident) == self.name
        {
            *expr = self.definition.clone();
            self.replaced = true;
        }
        ControlFlow::Continue(())
    }
}
