//! Correlated lookups in the catalog, as psql writes them in its select lists:
//! `SELECT a.attname, (SELECT d.adsrc FROM pg_attrdef d WHERE d.adrelid = a.attrelid ...) FROM pg_attribute a`.
//!
//! The engine joins a correlated subquery only if it is aggregated, because more than one row would be an error. System
//! tables are looked up by their keys, so here the join is right; over users' tables the engine's refusal stands.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinConstraint, JoinType, NullEquality, Result, TableReference};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Expr, Filter, Join, LogicalPlan, Projection, Subquery, SubqueryAlias,
};
use std::sync::Arc;

/// The schema of the system tables; nobody else may make tables in it.
const CATALOG: &str = "pg_catalog";
/// What the joined lookups are called; a user's name begins otherwise.
const ALIAS: &str = "__catalog_lookup_";

/// Joins the lookups of every select list and condition.
pub fn join_lookups(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut count = 0;
    plan.transform_up(|node| match node {
        LogicalPlan::Projection(projection) => joined(projection, &mut count),
        LogicalPlan::Filter(filter) => filtered(filter, &mut count),
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn joined(projection: Projection, count: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let Some((input, columns)) = with_lookups(&projection.input, &projection.expr, count)? else {
        return Ok(Transformed::no(LogicalPlan::Projection(projection)));
    };
    let exprs = projection.expr.into_iter().map(|expr| {
        let name = NamePreserver::new_for_projection().save(&expr);
        Ok(name.restore(replaced(expr, &columns)?))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    let projection = Projection::try_new(exprs, Arc::new(input))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

/// A condition is checked over the join, and what was joined is left out again.
fn filtered(filter: Filter, count: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let conditions = std::slice::from_ref(&filter.predicate);
    let Some((input, columns)) = with_lookups(&filter.input, conditions, count)? else {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    };
    let kept = filter.input.schema().columns();
    let predicate = replaced(filter.predicate, &columns)?;
    let filter = Filter::try_new(predicate, Arc::new(input))?;
    let kept = kept.into_iter().map(Expr::Column).collect();
    let projection = Projection::try_new(kept, Arc::new(LogicalPlan::Filter(filter)))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

/// A plan with lookups joined to it, and the column that each became.
type Joined = (LogicalPlan, Vec<(Subquery, Column)>);

/// Joins the lookups in `exprs` to `input`, and tells the column of each.
fn with_lookups(input: &LogicalPlan, exprs: &[Expr], count: &mut usize) -> Result<Option<Joined>> {
    let mut lookups = Vec::new();
    for expr in exprs {
        expr.apply(|part| {
            if let Expr::ScalarSubquery(subquery) = part
                && is_lookup(subquery)?
                && !lookups.contains(subquery)
            {
                lookups.push(subquery.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    if lookups.is_empty() {
        return Ok(None);
    }
    let mut input = input.clone();
    let mut columns = Vec::with_capacity(lookups.len());
    for lookup in lookups {
        *count += 1;
        let alias = TableReference::bare(format!("{ALIAS}{count}"));
        let name = lookup.subquery.schema().field(0).name().clone();
        columns.push((lookup.clone(), Column::new(Some(alias.clone()), name)));
        let right = SubqueryAlias::try_new(Arc::new(LogicalPlan::Subquery(lookup)), alias)?;
        input = LogicalPlan::Join(Join::try_new(
            Arc::new(input),
            Arc::new(LogicalPlan::SubqueryAlias(right)),
            Vec::new(),
            None,
            JoinType::Left,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )?);
    }
    Ok(Some((input, columns)))
}

/// Puts the joined columns in the place of the lookups.
fn replaced(expr: Expr, columns: &[(Subquery, Column)]) -> Result<Expr> {
    let replaced = expr.transform_up(|part| {
        let found = match &part {
            Expr::ScalarSubquery(subquery) => columns.iter().find(|(of, _)| of == subquery),
            _ => None,
        };
        Ok(match found {
            Some((_, column)) => Transformed::yes(Expr::Column(column.clone())),
            None => Transformed::no(part),
        })
    })?;
    Ok(replaced.data)
}

/// Tells whether a subquery depends on its outer row, is not aggregated, and reads nothing but system tables.
fn is_lookup(subquery: &Subquery) -> Result<bool> {
    if subquery.outer_ref_columns.is_empty() || subquery.subquery.max_rows() == Some(1) {
        return Ok(false);
    }
    let (mut reads_catalog_only, mut reads) = (true, false);
    subquery.subquery.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                reads = true;
                reads_catalog_only &= scan.table_name.schema() == Some(CATALOG);
            }
            LogicalPlan::Aggregate(_) | LogicalPlan::Limit(_) | LogicalPlan::Union(_) => {
                reads_catalog_only = false;
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(reads && reads_catalog_only)
}
