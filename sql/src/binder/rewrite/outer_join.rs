//! Oracle's outer joins: `FROM a, b WHERE a.x = b.x(+)` -> `FROM a LEFT JOIN b ON a.x = b.x`.

use crate::binder::ident::folded;
use crate::error::{Error, Result};
use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Query, Select, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// A table that gives nulls where nothing of it matches, and when that is.
struct Optional {
    table: String,
    conditions: Vec<Expr>,
    needs: BTreeSet<String>,
}

pub(super) fn rewrite(select: &mut Select) -> Result<()> {
    if !select.selection.as_mut().is_some_and(is_marked) {
        return Ok(());
    }
    let Some(selection) = select.selection.take() else {
        return Ok(());
    };
    let tables: Vec<String> = select
        .from
        .iter()
        .map(|from| name_of(&from.relation))
        .collect();
    if select.from.iter().any(|from| !from.joins.is_empty()) {
        return Err(Error::unsupported(
            "(+) beside JOIN",
            "Write all joins of the query as LEFT JOIN",
        ));
    }
    let mut optionals: Vec<Optional> = Vec::new();
    let mut kept = Vec::new();
    for mut condition in conjuncts(selection) {
        let mut marks = Marks::default();
        let _ = VisitMut::visit(&mut condition, &mut marks);
        if let Some(error) = marks.error {
            return Err(error);
        }
        let mut marked = marks.marked.into_iter();
        let Some(table) = marked.next() else {
            kept.push(condition);
            continue;
        };
        if marked.next().is_some() {
            return Err(Error::unsupported(
                "a condition with (+) on two tables",
                "Write the join as FULL JOIN",
            ));
        }
        let mut needs = marks.plain;
        needs.retain(|name| tables.contains(name) && *name != table);
        match optionals
            .iter_mut()
            .find(|optional| optional.table == table)
        {
            Some(optional) => {
                optional.conditions.push(condition);
                optional.needs.extend(needs);
            }
            None => optionals.push(Optional {
                table,
                conditions: vec![condition],
                needs,
            }),
        }
    }
    select.selection = kept.into_iter().reduce(and);
    joined(select, &tables, optionals)
}

/// Puts the tables without marks first and joins the others as what they need is there.
fn joined(select: &mut Select, tables: &[String], mut optionals: Vec<Optional>) -> Result<()> {
    let (mut base, mut rest) = (Vec::new(), Vec::new());
    for (from, name) in std::mem::take(&mut select.from).into_iter().zip(tables) {
        match optionals.iter().any(|optional| optional.table == *name) {
            true => rest.push((from.relation, name.clone())),
            false => base.push((from.relation, name.clone())),
        }
    }
    let mut there: BTreeSet<String> = base.iter().map(|(_, name)| name.clone()).collect();
    let mut relations = base.into_iter().map(|(relation, _)| relation);
    let Some(first) = relations.next() else {
        return Err(Error::unsupported(
            "(+) on every table",
            "Leave one table of the query without it",
        ));
    };
    let mut joins: Vec<Join> = relations
        .map(|relation| Join {
            relation,
            global: false,
            join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
        })
        .collect();
    while !optionals.is_empty() {
        let ready = optionals
            .iter()
            .position(|optional| optional.needs.is_subset(&there));
        let Some(ready) = ready else {
            return Err(Error::unsupported(
                "(+) in a circle",
                "Write the joins as LEFT JOIN",
            ));
        };
        let optional = optionals.remove(ready);
        let place = rest.iter().position(|(_, name)| *name == optional.table);
        let Some(place) = place else {
            return Err(Error::new(
                crate::sqlstate::SqlState::UNDEFINED_TABLE,
                format!("missing FROM-clause entry for table \"{}\"", optional.table),
            ));
        };
        let (relation, name) = rest.remove(place);
        there.insert(name);
        if let Some(on) = optional.conditions.into_iter().reduce(and) {
            joins.push(Join {
                relation,
                global: false,
                join_operator: JoinOperator::Left(JoinConstraint::On(on)),
            });
        }
    }
    select.from = vec![TableWithJoins {
        relation: first,
        joins,
    }];
    Ok(())
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    }
}

fn conjuncts(expr: Expr) -> Vec<Expr> {
    let (mut open, mut found) = (vec![expr], Vec::new());
    while let Some(expr) = open.pop() {
        match expr {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => {
                open.push(*right);
                open.push(*left);
            }
            other => found.push(other),
        }
    }
    found
}

fn name_of(relation: &TableFactor) -> String {
    let (alias, name) = match relation {
        TableFactor::Table { alias, name, .. } => {
            (alias, name.0.last().and_then(|part| part.as_ident()))
        }
        TableFactor::Derived { alias, .. } => (alias, None),
        _ => return String::new(),
    };
    let name = alias.as_ref().map(|alias| &alias.name).or(name);
    name.map(folded).unwrap_or_default()
}

fn is_marked(expr: &mut Expr) -> bool {
    struct Find(usize);
    impl VisitorMut for Find {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::OuterJoin(_) if self.0 == 0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    VisitMut::visit(expr, &mut Find(0)).is_break()
}

/// The tables of a condition, marked and not; the marks are taken away.
#[derive(Default)]
struct Marks {
    marked: BTreeSet<String>,
    plain: BTreeSet<String>,
    error: Option<Error>,
}

impl VisitorMut for Marks {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::OuterJoin(inner) => {
                match inner.as_ref() {
                    Expr::CompoundIdentifier(parts) => {
                        let table = parts.len().checked_sub(2).and_then(|at| parts.get(at));
                        self.marked.extend(table.map(folded));
                    }
                    other => {
                        self.error = Some(Error::unsupported(
                            format!("{other}(+) without a table"),
                            "Write the table's name or alias before the column",
                        ));
                        return ControlFlow::Break(());
                    }
                }
                *expr = Expr::Nested(inner.clone());
                // What is inside is done.
                return ControlFlow::Continue(());
            }
            Expr::CompoundIdentifier(parts) => {
                let table = parts.len().checked_sub(2).and_then(|at| parts.get(at));
                self.plain.extend(table.map(folded));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
