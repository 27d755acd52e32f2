//! Joins that can only be written out by who knows what columns their tables have: NATURAL, USING of many tables, `*`
//! without some columns beside them, and CONNECT BY over a join.
//!
//! A pass of its own before the other rewrites, which know no tables. Inner queries come first, so that asking for the
//! columns of a FROM item never comes back here for it.

use super::Names;
use super::rewrite::one_row;
use super::rewrite::using;
use crate::error::{Error, Result};
use arrow_schema::DataType;
use datafusion_expr::TableSource;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut, With,
};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many tables of a query may be asked for their columns; each costs a planning.
const ASKED_MAX: usize = 256;

/// Writes out such joins in a query.
pub(super) fn rewrite(
    names: &dyn Names,
    query: &mut Query,
    parameters: &[Option<DataType>],
    targets: &[(&str, Arc<dyn TableSource>)],
) -> Result<()> {
    if VisitMut::visit(query, &mut Search).is_continue() {
        return Ok(());
    }
    let mut joins = Joins {
        tables: Tables {
            names,
            parameters,
            targets,
            scopes: Vec::new(),
            asked: Cell::new(0),
        },
    };
    match VisitMut::visit(query, &mut joins) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn is_open(select: &Select) -> bool {
    let excludes = |item: &SelectItem| matches!(item, SelectItem::Wildcard(options) if options.opt_exclude.is_some());
    let has_using = |from: &&TableWithJoins| using::has_using(from);
    let excludes = select.projection.iter().any(excludes);
    let mut usings = select.from.iter().filter(has_using);
    usings.any(|from| excludes || using::needs_columns(from)) || is_connected(select)
}

fn is_connected(select: &Select) -> bool {
    let joins = |from: &TableWithJoins| !from.joins.is_empty();
    !select.connect_by.is_empty() && (select.from.len() > 1 || select.from.iter().any(joins))
}

/// Ends at the first query that needs this pass.
struct Search;

impl VisitorMut for Search {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        match is_open(select) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Knows the tables that a place in a query sees.
struct Tables<'a> {
    names: &'a dyn Names,
    parameters: &'a [Option<DataType>],
    targets: &'a [(&'a str, Arc<dyn TableSource>)],
    /// The WITH queries before the place, of the outermost query first.
    scopes: Vec<With>,
    asked: Cell<usize>,
}

impl Tables<'_> {
    /// Tells which columns a FROM item has, if it can stand alone.
    fn columns(&self, factor: &TableFactor) -> Option<Vec<String>> {
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() > ASKED_MAX {
            return None;
        }
        let mut query = over(factor.clone())?;
        for scope in self.scopes.iter().rev() {
            query.with = Some(scope.clone()).filter(|with| !with.cte_tables.is_empty());
            query = over(TableFactor::Derived {
                lateral: false,
                subquery: Box::new(query),
                alias: None,
                sample: None,
            })?;
        }
        let plan = super::bind_tree(self.names, &query, self.parameters, self.targets).ok()?;
        let fields = plan.schema().fields().iter();
        Some(
            fields
                .map(|field| super::shown_name(field.name()).to_owned())
                .collect(),
        )
    }
}

/// `SELECT * FROM factor`.
fn over(factor: TableFactor) -> Option<Query> {
    let mut query = one_row::select_all().ok()?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![TableWithJoins {
            relation: factor,
            joins: Vec::new(),
        }];
    }
    Some(query)
}

struct Joins<'a> {
    tables: Tables<'a>,
}

impl Joins<'_> {
    /// Writes out the joins of a query whose inner queries are done.
    fn write_out(&self, query: &mut Query) -> Result<()> {
        if let SetExpr::Select(select) = query.body.as_ref() {
            if !is_open(select) {
                return Ok(());
            }
            let is_connected = is_connected(select);
            using::rewrite(query, &mut |factor| self.tables.columns(factor))?;
            if is_connected {
                one_row::join(query, &mut |factor| self.tables.columns(factor))?;
            }
            return Ok(());
        }
        self.in_operands(&mut query.body)
    }

    /// Does so for the operands of a set operation.
    fn in_operands(&self, body: &mut SetExpr) -> Result<()> {
        match body {
            SetExpr::Select(select) if is_open(select) => {
                using::rewrite_select(select, &mut |factor| self.tables.columns(factor))?;
                Ok(())
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.in_operands(left)?;
                self.in_operands(right)
            }
            _ => Ok(()),
        }
    }
}

impl VisitorMut for Joins<'_> {
    type Break = Error;

    // A WITH query sees those before it: each is done before it is put into the scope. The WITH goes back to its query
    // when the query is done.
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let with = query.with.take();
        self.tables.scopes.push(With {
            with_token: AttachedToken::empty(),
            recursive: with.as_ref().is_some_and(|with| with.recursive),
            cte_tables: Vec::new(),
        });
        for mut cte in with.into_iter().flat_map(|with| with.cte_tables) {
            VisitMut::visit(&mut cte, self)?;
            if let Some(scope) = self.tables.scopes.last_mut() {
                scope.cte_tables.push(cte);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let done = self.write_out(query);
        let scope = self.tables.scopes.pop();
        query.with = scope.filter(|with| !with.cte_tables.is_empty());
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
