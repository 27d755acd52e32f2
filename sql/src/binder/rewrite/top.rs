//! `SELECT TOP n` -> `LIMIT n`.

use crate::error::{Error, Result};
use sqlparser::ast::{Expr, LimitClause, Query, SetExpr, TopQuantity, Value};

pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Ok(());
    };
    let Some(top) = select.top.take() else {
        return Ok(());
    };
    if top.percent || top.with_ties {
        return Err(Error::unsupported("TOP with PERCENT or TIES", "Use TOP n"));
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(Error::syntax("TOP and LIMIT cannot be used together", None));
    }
    let quantity = match top.quantity {
        Some(TopQuantity::Expr(expr)) => expr,
        Some(TopQuantity::Constant(count)) => {
            Expr::Value(Value::Number(count.to_string(), false).into())
        }
        None => return Err(Error::syntax("TOP needs a number", None)),
    };
    query.limit_clause = Some(LimitClause::LimitOffset {
        limit: Some(quantity),
        offset: None,
        limit_by: Vec::new(),
    });
    Ok(())
}
