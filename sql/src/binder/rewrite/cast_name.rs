//! `max(t), max(t::date)` -> `max(t), max(CASE WHEN 1 = 1 THEN t::date END)`; a second type is under `2 = 2`.
//!
//! The engine names a cast like what is cast, and takes two groups, aggregates or windows of one name for one. A CASE
//! has a name of its own, and the optimizer takes it out again.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, GroupByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    Value, Visit, VisitMut, Visitor, VisitorMut,
};
use std::collections::HashMap;
use std::ops::ControlFlow;

pub(super) fn rewrite(query: &mut Query) {
    let orders = match &mut query.order_by {
        Some(order_by) => match &mut order_by.kind {
            OrderByKind::Expressions(orders) => orders.iter_mut().map(|o| &mut o.expr).collect(),
            OrderByKind::All(_) => Vec::new(),
        },
        None => Vec::new(),
    };
    body(&mut query.body, orders);
}

fn body(tree: &mut SetExpr, orders: Vec<&mut Expr>) {
    match tree {
        SetExpr::Select(select) => rewrite_select(select, orders),
        SetExpr::SetOperation { left, right, .. } => {
            body(left, Vec::new());
            body(right, Vec::new());
        }
        _ => {}
    }
}

fn rewrite_select(select: &mut Select, orders: Vec<&mut Expr>) {
    let mut parts = orders;
    let mut named = match &mut select.group_by {
        GroupByExpr::Expressions(groups, _) => {
            let any = !groups.is_empty();
            parts.extend(groups);
            any
        }
        GroupByExpr::All(_) => true,
    };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            parts.push(expr);
        }
    }
    parts.extend(&mut select.having);
    parts.extend(&mut select.qualify);
    let mut casts = Casts::default();
    for part in &parts {
        let _ = Visit::visit(&**part, &mut casts);
    }
    named |= casts.functions;
    if !named || casts.found.is_empty() {
        return;
    }
    let mut uses = Uses {
        count: casts.found.keys().map(|inner| (inner.clone(), 0)).collect(),
    };
    for part in &parts {
        let _ = Visit::visit(&**part, &mut uses);
    }
    casts.found.retain(|inner, types| {
        let used = uses.count.get(inner).copied().unwrap_or(0);
        let cast = types.iter().map(|(_, count)| count).sum();
        types.len() > 1 || used > cast
    });
    if casts.found.is_empty() {
        return;
    }
    let mut wrapper = Wrapper { casts };
    for part in parts {
        let _ = part.visit(&mut wrapper);
    }
}

/// The casts of a select, by what is cast: each type and how often.
#[derive(Default)]
struct Casts {
    found: HashMap<Expr, Vec<(String, usize)>>,
    functions: bool,
}

impl Visitor for Casts {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast {
                expr: inner,
                data_type,
                ..
            } if !matches!(**inner, Expr::Value(_)) => {
                let types = self.found.entry((**inner).clone()).or_default();
                let name = data_type.to_string();
                match types.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, count)) => *count += 1,
                    None => types.push((name, 1)),
                }
            }
            Expr::Function(_) => self.functions = true,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// How often each of what is cast stands there, cast or not.
struct Uses {
    count: HashMap<Expr, usize>,
}

impl Visitor for Uses {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Some(count) = self.count.get_mut(expr) {
            *count += 1;
        }
        ControlFlow::Continue(())
    }
}

struct Wrapper {
    casts: Casts,
}

impl VisitorMut for Wrapper {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Cast {
            expr: inner,
            data_type,
            ..
        } = expr
        else {
            return ControlFlow::Continue(());
        };
        let Some(types) = self.casts.found.get(inner.as_ref()) else {
            return ControlFlow::Continue(());
        };
        let name = data_type.to_string();
        let place = types.iter().position(|(known, _)| *known == name);
        let number = place.map_or(0, |place| place + 1).to_string();
        let number = || Box::new(Expr::Value(Value::Number(number.clone(), false).into()));
        let condition = Expr::BinaryOp {
            left: number(),
            op: BinaryOperator::Eq,
            right: number(),
        };
        let cast = std::mem::replace(expr, Expr::Value(Value::Null.into()));
        *expr = Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition,
                result: cast,
            }],
            else_result: None,
        };
        ControlFlow::Continue(())
    }
}
