//! Conditions and masks of policies -> expressions over the columns of the relation they are attached to.
//!
//! Each is bound as part of a query over that relation, as a user would write it, and taken out of its plan again: so
//! a policy may say whatever a query may, subqueries over other tables too.

use super::{Names, bind_tree, reading};
use crate::error::{Error, Result};
use crate::function::semistructured::Use;
use crate::sqlstate::SqlState;
use crate::statement::query::Query;
use crate::types::SqlType;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, DFSchema, TableReference};
use datafusion_expr::{Expr, LogicalPlan, TableSource, lit};
use sqlparser::ast::{self, SelectItem, SetExpr};
use std::sync::Arc;

/// The name the relation has in the query we make; no user can write it, for the space.
const TARGET: &str = "target of policy";

/// The name that columns of the relation are qualified with in what is given.
pub const POLICY_RELATION: &str = "protected rows";

/// Binds a condition on the rows of a relation that it knows as `alias`.
pub(super) fn condition(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    alias: &str,
    text: &str,
) -> Result<Expr> {
    let query = Query::parse(&format!(
        "SELECT 1 FROM {} AS {} WHERE ({text})",
        quoted(TARGET),
        quoted(alias)
    ))?;
    let plan = bind_tree(names, &query.tree, &[], &[(TARGET, target)])?;
    let mut node = &plan;
    loop {
        match node {
            LogicalPlan::Filter(filter)
                if matches!(filter.input.as_ref(), LogicalPlan::SubqueryAlias(_)) =>
            {
                return relabeled(filter.predicate.clone(), alias);
            }
            LogicalPlan::Projection(projection) => node = &projection.input,
            _ => return Err(cannot_rewrite()),
        }
    }
}

/// Binds the values of a masking policy over a relation that has its columns; each comes with its type.
pub(super) fn masks(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    text: &str,
) -> Result<Vec<(Expr, SqlType)>> {
    let mut query = Query::parse(&format!("SELECT {text} FROM {}", quoted(TARGET)))?;
    if let SetExpr::Select(select) = query.tree.body.as_mut() {
        // A tuple stands for its members.
        let members = match select.projection.as_slice() {
            [SelectItem::UnnamedExpr(ast::Expr::Tuple(members))] => Some(members.clone()),
            _ => None,
        };
        if let Some(members) = members {
            select.projection = members.into_iter().map(SelectItem::UnnamedExpr).collect();
        }
        for (place, item) in select.projection.iter_mut().enumerate() {
            // Names of their own, as two values may be equal.
            if let SelectItem::UnnamedExpr(expr) = item {
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: ast::Ident::with_quote('"', format!("value {place}")),
                };
            }
        }
    }
    let plan = bind_tree(names, &query.tree, &[], &[(TARGET, target)])?;
    let LogicalPlan::Projection(projection) = &plan else {
        return Err(cannot_mask());
    };
    let is_plain = matches!(
        projection.input.as_ref(),
        LogicalPlan::TableScan(_) | LogicalPlan::SubqueryAlias(_)
    );
    if !is_plain {
        return Err(cannot_mask());
    }
    let values = projection.expr.iter().zip(plan.schema().fields());
    values
        .map(|(expr, field)| {
            let expr = relabeled(expr.clone().unalias(), TARGET)?;
            Ok((expr, SqlType::from_field(field)))
        })
        .collect()
}

/// The part of a SUPER at a path of keys, read as a type; null where it is something else.
pub fn super_part(column: Expr, path: &[String], ty: SqlType, schema: &DFSchema) -> Expr {
    let keys = path.iter().map(|key| lit(key.as_str()));
    let part = Use::Get.call(std::iter::once(column).chain(keys).collect());
    match ty {
        SqlType::Super => part,
        ty => reading::lax(part, &ty.arrow(), schema),
    }
}

/// A SUPER with a value in the place of the part at a path of keys.
pub fn super_with(column: Expr, path: &[String], value: Expr) -> Expr {
    let keys = path.iter().map(|key| lit(key.as_str()));
    Use::Put.call([column, value].into_iter().chain(keys).collect())
}

/// Qualifies the columns of the relation as [`POLICY_RELATION`], and refuses subqueries that look at them.
fn relabeled(expr: Expr, alias: &str) -> Result<Expr> {
    let is_correlated = expr.exists(|part| {
        Ok(match part {
            Expr::InSubquery(inner) => !inner.subquery.outer_ref_columns.is_empty(),
            Expr::Exists(inner) => !inner.subquery.outer_ref_columns.is_empty(),
            Expr::ScalarSubquery(inner) => !inner.outer_ref_columns.is_empty(),
            Expr::SetComparison(inner) => !inner.subquery.outer_ref_columns.is_empty(),
            _ => false,
        })
    });
    if is_correlated.unwrap_or(true) {
        return Err(cannot_rewrite()
            .with_detail("A subquery of a policy cannot look at the row that it decides about."));
    }
    let relation = TableReference::bare(alias.to_owned());
    let relabeled = expr.transform(|part| match part {
        Expr::Column(column) if column.relation.as_ref() == Some(&relation) => {
            let named = Column::new(
                Some(TableReference::bare(POLICY_RELATION)),
                column.name.clone(),
            );
            Ok(Transformed::yes(Expr::Column(named)))
        }
        other => Ok(Transformed::no(other)),
    });
    let relabeled = relabeled.map_err(|engine| super::from_engine(&engine))?;
    Ok(relabeled.data)
}

fn cannot_rewrite() -> Error {
    Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "RLS policy could not be rewritten.",
    )
}

fn cannot_mask() -> Error {
    Error::unsupported(
        "an aggregate, a window function or a correlated subquery in a masking policy",
        "Compute the mask from the columns of one row.",
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
