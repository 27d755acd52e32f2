//! Expressions of a plan that change and keep their names, which those above know them by.

use datafusion_common::Result;
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::{Expr, GroupingSet};

/// Changes an expression under its name; the members of ROLLUP, CUBE and GROUPING SETS each have their own.
pub(super) fn keep_name(
    names: &NamePreserver,
    expr: Expr,
    change: &dyn Fn(Expr) -> Result<Expr>,
) -> Result<Expr> {
    let Expr::GroupingSet(set) = expr else {
        let name = names.save(&expr);
        return Ok(name.restore(change(expr)?));
    };
    let members = |exprs: Vec<Expr>| -> Result<Vec<Expr>> {
        let member = |expr: Expr| {
            let name = NamePreserver::new_for_projection().save(&expr);
            change(expr).map(|changed| name.restore(changed))
        };
        exprs.into_iter().map(member).collect()
    };
    Ok(Expr::GroupingSet(match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(members(exprs)?),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(members(exprs)?),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.into_iter().map(members).collect::<Result<_>>()?)
        }
    }))
}
