//! What a query may name of the queries around it: arrays of their rows in its FROM, and paths into their SUPER values.
//!
//! `FROM t.items i` in a subquery is a table of a schema `t`, or an array of the row of `t` around it; the engine is told
//! which by the form. It knows no path into a column from around, so `o.line.x` of an element `o` is written as steps.

use super::path::{elements, names};
use crate::binder::ident::folded;
use sqlparser::ast::{AccessExpr, Expr, Ident, Query, Select, SetExpr, TableFactor, Value};

/// The names of a query.
#[derive(Default)]
struct Scope {
    /// By which columns of its tables are reached.
    tables: Vec<String>,
    /// Elements of arrays, which are columns themselves.
    elements: Vec<String>,
    /// Whether a table of FROM is visited that is a query, and does not see its neighbours.
    hidden: bool,
    /// What a query's ORDER BY sees, once its SELECT has ended; `None` of a SELECT itself. Not set of a set operation.
    order: Option<bool>,
}

/// What a name is in a query around.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Element,
}

impl Scope {
    fn names(&self, name: &str) -> Option<Kind> {
        let has = |names: &[String]| names.iter().any(|known| known == name);
        match (has(&self.elements), has(&self.tables)) {
            (true, _) => Some(Kind::Element),
            (_, true) => Some(Kind::Table),
            _ => None,
        }
    }
}

/// The queries around a place, of the outermost first; the last one is that of the place itself.
#[derive(Default)]
pub(super) struct Around {
    scopes: Vec<Scope>,
}

impl Around {
    /// Goes into a query.
    pub(super) fn enter(&mut self, select: &Select) {
        let mut scope = Scope::default();
        for from in &select.from {
            let joined = from.joins.iter().map(|join| &join.relation);
            for relation in std::iter::once(&from.relation).chain(joined) {
                let elements = elements(relation);
                let tables = names(relation).into_iter();
                scope
                    .tables
                    .extend(tables.filter(|name| !elements.contains(name)));
                scope.elements.extend(elements);
            }
        }
        self.scopes.push(scope);
    }

    /// Leaves a SELECT: only the ORDER BY behind it still sees its tables.
    pub(super) fn leave(&mut self) {
        let left = self.scopes.pop();
        if let Some(scope) = self.scopes.last_mut()
            && scope.order == Some(true)
            && let Some(left) = left
        {
            (scope.tables, scope.elements) = (left.tables, left.elements);
            scope.hidden = false;
        }
    }

    /// Goes into a query with its ORDER BY.
    pub(super) fn enter_query(&mut self, query: &Query) {
        self.scopes.push(Scope {
            hidden: true,
            order: Some(matches!(query.body.as_ref(), SetExpr::Select(_))),
            ..Scope::default()
        });
    }

    pub(super) fn leave_query(&mut self) {
        self.scopes.pop();
    }

    /// Notes that a table of FROM is gone into, or left.
    pub(super) fn inside(&mut self, factor: &TableFactor, is_inside: bool) {
        if let TableFactor::Derived { lateral: false, .. } = factor
            && let Some(scope) = self.scopes.last_mut()
        {
            scope.hidden = is_inside;
        }
    }

    /// Finds a name in the queries around, of the nearest first.
    fn kind<'a>(name: &str, scopes: impl Iterator<Item = &'a Scope>) -> Option<Kind> {
        let mut known = scopes.filter(|scope| !scope.hidden);
        known.find_map(|scope| scope.names(name))
    }

    /// Finds out whether a path in the FROM of a query that is not yet entered leads into a row of a query around, and
    /// writes it as steps if it does.
    pub(super) fn reach(&self, root: &str, is_alone: bool, value: &mut Expr) -> bool {
        let kind = match Self::kind(root, self.scopes.iter().rev()) {
            Some(Kind::Table) if is_alone => None,
            kind => kind,
        };
        if let Some(kind) = kind {
            stepped(value, kind);
        }
        kind.is_some()
    }

    /// Writes a path from around as steps.
    pub(super) fn rewrite(&self, expr: &mut Expr) {
        let Some((own, outer)) = self.scopes.split_last() else {
            return;
        };
        if outer.is_empty() {
            return;
        }
        let first = match &*expr {
            Expr::CompoundIdentifier(parts) => parts.first(),
            Expr::CompoundFieldAccess { root, .. } => match root.as_ref() {
                Expr::Identifier(first) => Some(first),
                _ => None,
            },
            _ => None,
        };
        let Some(first) = first.map(folded) else {
            return;
        };
        if own.names(&first).is_some() {
            return;
        }
        let Some(kind) = Self::kind(&first, outer.iter().rev()) else {
            return;
        };
        // `schema.table.column` of the query itself.
        if let Expr::CompoundIdentifier(parts) = &*expr
            && let Some(second) = parts.get(1)
            && parts.len() > 2
            && own.tables.contains(&folded(second))
        {
            return;
        }
        stepped(expr, kind);
    }
}

/// `o.a.b` of an element `o` -> the steps `a` and `b` from the column `o`; `t.c.a` of a table -> the step `a` from `t.c`.
fn stepped(expr: &mut Expr, kind: Kind) {
    let kept = match kind {
        Kind::Table => 2,
        Kind::Element => 1,
    };
    match expr {
        Expr::CompoundIdentifier(parts) => {
            if parts.len() <= kept {
                return;
            }
            let steps = parts.split_off(kept);
            let chain = steps.iter().map(step).collect();
            *expr = Expr::CompoundFieldAccess {
                root: Box::new(named(std::mem::take(parts))),
                access_chain: chain,
            };
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            let Expr::Identifier(first) = root.as_ref() else {
                return;
            };
            let mut parts = vec![first.clone()];
            while let Some(AccessExpr::Dot(Expr::Identifier(name))) = access_chain.first()
                && parts.len() < kept
            {
                parts.push(name.clone());
                access_chain.remove(0);
            }
            for access in access_chain.iter_mut() {
                match access {
                    AccessExpr::Dot(Expr::Identifier(name)) => *access = step(name),
                    AccessExpr::Dot(_) => {}
                    AccessExpr::Subscript(_) => break,
                }
            }
            **root = named(parts);
            if access_chain.is_empty() {
                *expr = root.as_ref().clone();
            }
        }
        _ => {}
    }
}

fn named(mut parts: Vec<Ident>) -> Expr {
    match parts.len() {
        1 => Expr::Identifier(parts.remove(0)),
        _ => Expr::CompoundIdentifier(parts),
    }
}

fn step(name: &Ident) -> AccessExpr {
    AccessExpr::Dot(Expr::Value(Value::SingleQuotedString(folded(name)).into()))
}
