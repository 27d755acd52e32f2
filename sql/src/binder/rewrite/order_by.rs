//! `SELECT DISTINCT f(a) ... ORDER BY f(a)` -> `ORDER BY 1`: the engine finds only plain columns there.
//! `SELECT oid::regclass ... ORDER BY oid::regclass::text`, as psql asks, is ordered by what is in the list: the column
//! below it is hidden by the name of the one in the list.

use sqlparser::ast::{Distinct, Expr, OrderByKind, Query, SelectItem, SetExpr, Value};

pub(super) fn rewrite(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return;
    };
    let Some(order_by) = &mut query.order_by else {
        return;
    };
    let OrderByKind::Expressions(orders) = &mut order_by.kind else {
        return;
    };
    for order in orders.iter_mut() {
        if let Expr::Cast { expr: inner, .. } = &order.expr
            && matches!(inner.as_ref(), Expr::Cast { data_type, .. } if super::cast::gives_names(data_type))
            && select
                .projection
                .iter()
                .any(|item| matches!(item, SelectItem::UnnamedExpr(expr) if expr == inner.as_ref()))
        {
            order.expr = Expr::clone(inner);
        }
    }
    if !matches!(select.distinct, Some(Distinct::Distinct)) {
        return;
    }
    for order in orders {
        if matches!(
            order.expr,
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_)
        ) {
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
