//! `MINUS` -> `EXCEPT`; `INTERSECT ALL` and `EXCEPT ALL` are refused, as Redshift refuses them.

use crate::error::{Error, Result};
use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};

pub(super) fn rewrite(body: &mut SetExpr) -> Result<()> {
    let mut next = vec![body];
    while let Some(body) = next.pop() {
        let SetExpr::SetOperation {
            op,
            set_quantifier,
            left,
            right,
        } = body
        else {
            continue;
        };
        if matches!(op, SetOperator::Minus) {
            *op = SetOperator::Except;
        }
        if matches!(set_quantifier, SetQuantifier::All) && !matches!(op, SetOperator::Union) {
            return Err(Error::unsupported(
                format!("{op} ALL"),
                format!("Use {op} without ALL"),
            ));
        }
        next.push(left);
        next.push(right);
    }
    Ok(())
}
