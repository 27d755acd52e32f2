//! `SELECT DISTINCT f(a) ... ORDER BY f(a)` -> `ORDER BY 1`: the engine finds only plain columns there.
//! `SELECT t.a + 1 AS a FROM t ORDER BY t.a * 2` -> `SELECT a FROM (SELECT t.a + 1 AS a, t.a * 2 AS key FROM t) ORDER BY
//! key`: to the engine the column is hidden by what is called like it in the list.

use super::column_name::{named, numbered};
use super::one_row;
use crate::binder::ident::folded;
use sqlparser::ast::{
    Distinct, Expr, Ident, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins, Value, Visit, Visitor,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// What the columns are called that are there for ORDER BY alone.
const KEY: &str = "order key";

pub(super) fn rewrite(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let Some(order_by) = &mut query.order_by else {
        return;
    };
    let OrderByKind::Expressions(orders) = &mut order_by.kind else {
        return;
    };
    if select.distinct.is_none() {
        if hides(select, orders) {
            apart(select, orders);
        }
        return;
    }
    if !matches!(select.distinct, Some(Distinct::Distinct)) {
        return;
    }
    for order in orders {
        if is_plain(&order.expr) {
            continue;
        }
        let mut number = 0;
        for item in &select.projection {
            number += 1;
            let expr = match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
                // A wildcard hides the numbers of what follows.
                _ => break,
            };
            if *expr == order.expr {
                order.expr = Expr::Value(Value::Number(number.to_string(), false).into());
                break;
            }
        }
    }
}

fn is_plain(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_)
    )
}

/// Tells whether ORDER BY names a column that something else of the list is called like.
fn hides(select: &Select, orders: &[OrderByExpr]) -> bool {
    let (mut aliases, mut made) = (HashSet::new(), HashSet::new());
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, alias } if !is_called(expr, &folded(alias)) => {
                aliases.insert(folded(alias));
            }
            SelectItem::UnnamedExpr(expr) if !is_plain(expr) => {
                made.extend(named(expr));
            }
            _ => {}
        }
    }
    if aliases.is_empty() && made.is_empty() {
        return false;
    }
    orders.iter().any(|order| {
        let is_item = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(expr) if *expr == order.expr);
        let mut search = Search {
            aliases: &aliases,
            made: &made,
            subqueries: 0,
        };
        !matches!(order.expr, Expr::Identifier(_))
            && !select.projection.iter().any(is_item)
            && Visit::visit(&order.expr, &mut search).is_break()
    })
}

/// Tells whether an expression is a column of that name.
fn is_called(expr: &Expr, name: &str) -> bool {
    let column = match expr {
        Expr::Identifier(column) => Some(column),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    column.is_some_and(|column| folded(column) == name)
}

struct Search<'a> {
    /// Names that the list gives.
    aliases: &'a HashSet<String>,
    /// Names that expressions have by themselves, which no ORDER BY can mean inside an expression.
    made: &'a HashSet<String>,
    /// How many subqueries stand around; what they name is their own.
    subqueries: usize,
}

impl Visitor for Search<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.subqueries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.subqueries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let is_hidden = match expr {
            _ if self.subqueries > 0 => false,
            Expr::CompoundIdentifier(parts) if parts.len() > 1 => {
                let name = parts.last().map(folded).unwrap_or_default();
                self.aliases.contains(&name) || self.made.contains(&name)
            }
            Expr::Identifier(ident) => self.made.contains(&folded(ident)),
            _ => false,
        };
        match is_hidden {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Computes what is ordered by beside the list, in a query of its own.
fn apart(select: &mut Select, orders: &mut [OrderByExpr]) {
    let Some(mut inner) = one_row::select_all().ok() else {
        return;
    };
    let SetExpr::Select(mut outer) = inner.body.as_ref().clone() else {
        return;
    };
    // What stands below `*` is not known here; two columns of one name cannot be told apart from outside.
    let mut columns = Vec::new();
    let mut taken = HashSet::new();
    for (index, item) in select.projection.iter().enumerate() {
        let (inside, shown) = match item {
            SelectItem::ExprWithAlias { alias, .. } => (folded(alias), folded(alias)),
            SelectItem::UnnamedExpr(expr) => {
                let shown = named(expr).unwrap_or_else(|| "?column?".to_owned());
                (numbered(&shown, index), shown)
            }
            _ => return,
        };
        if !taken.insert(inside.clone()) {
            return;
        }
        columns.push((inside, shown));
    }
    let ident = |name: &str| Ident::with_quote('"', name);
    for (item, (inside, _)) in select.projection.iter_mut().zip(&columns) {
        if let SelectItem::UnnamedExpr(expr) = item {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: ident(inside),
            };
        }
    }
    for (index, order) in orders.iter_mut().enumerate() {
        // A key that is in the list is its column.
        let same = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { expr, .. } if *expr == order.expr);
        let mut known = select.projection.iter().take(columns.len());
        if !is_plain(&order.expr)
            && let Some(place) = known.position(same)
        {
            let number = (place + 1).to_string();
            order.expr = Expr::Value(Value::Number(number, false).into());
            continue;
        }
        let is_output = match &order.expr {
            Expr::Value(_) => true,
            Expr::Identifier(name) => {
                let name = folded(name);
                columns.iter().any(|(_, shown)| *shown == name)
            }
            _ => false,
        };
        if is_output {
            continue;
        }
        let key = numbered(KEY, index);
        let expr = std::mem::replace(&mut order.expr, Expr::Identifier(ident(&key)));
        select.projection.push(SelectItem::ExprWithAlias {
            expr,
            alias: ident(&key),
        });
    }
    outer.projection = columns
        .iter()
        .map(|(inside, shown)| SelectItem::ExprWithAlias {
            expr: Expr::Identifier(ident(inside)),
            alias: ident(shown),
        })
        .collect();
    outer.top = select.top.take();
    *inner.body = SetExpr::Select(Box::new(std::mem::replace(select, *outer)));
    select.from = vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(inner),
            alias: None,
            sample: None,
        },
        joins: Vec::new(),
    }];
}
