//! A join of stored tables with its conditions, whatever the parts of the query call their columns.

use super::definition::stored;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, TableReference};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use std::collections::BTreeSet;

/// The tables joined, by what is true of the rows, and what each output column is. Columns are called by their ids in
/// the tables of `tables`.
pub(super) struct Flat {
    /// Each table once.
    pub(super) tables: BTreeSet<u64>,
    /// What is true of every row.
    pub(super) conditions: Vec<Expr>,
    /// The output columns.
    outputs: Vec<(Option<TableReference>, FieldRef, Expr)>,
}

impl Flat {
    /// Takes a plan apart; `None` if it is anything but an inner join of different tables.
    pub(super) fn of(plan: &LogicalPlan) -> Option<Self> {
        let named = |exprs: Vec<Expr>| {
            let fields = plan.schema().iter().zip(exprs);
            let fields =
                fields.map(|((qualifier, field), expr)| (qualifier.cloned(), field.clone(), expr));
            fields.collect::<Vec<_>>()
        };
        match plan {
            LogicalPlan::TableScan(scan) => {
                let stored = stored(scan)?;
                if scan.projection.is_some() || !scan.filters.is_empty() || scan.fetch.is_some() {
                    return None;
                }
                let table = stored.version.id.0;
                let columns = stored.version.layout.columns.iter();
                let ids = columns.map(|column| {
                    let name = format!("c{}", column.id);
                    Expr::Column(Column::new(Some(format!("t{table}")), name))
                });
                let ids: Vec<_> = ids.collect();
                (ids.len() == plan.schema().fields().len()).then(|| Self {
                    tables: BTreeSet::from([table]),
                    conditions: Vec::new(),
                    outputs: named(ids),
                })
            }
            LogicalPlan::Projection(projection) => {
                let input = Self::of(&projection.input)?;
                let exprs = projection.expr.iter().map(|expr| input.resolved(expr));
                let exprs = exprs.collect::<Option<Vec<_>>>()?;
                Some(Self {
                    outputs: named(exprs),
                    ..input
                })
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = Self::of(&alias.input)?;
                let exprs = input.outputs.into_iter().map(|(_, _, expr)| expr);
                Some(Self {
                    outputs: named(exprs.collect()),
                    tables: input.tables,
                    conditions: input.conditions,
                })
            }
            LogicalPlan::Filter(filter) => {
                let mut input = Self::of(&filter.input)?;
                let condition = input.resolved(&filter.predicate)?;
                input.hold(condition);
                Some(input)
            }
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
                let mut left = Self::of(&join.left)?;
                let right = Self::of(&join.right)?;
                if !left.tables.is_disjoint(&right.tables) {
                    return None;
                }
                let mut on = Vec::new();
                for (one, other) in &join.on {
                    on.push(left.resolved(one)?.eq(right.resolved(other)?));
                }
                left.tables.extend(right.tables);
                left.outputs.extend(right.outputs);
                right
                    .conditions
                    .into_iter()
                    .chain(on)
                    .for_each(|one| left.hold(one));
                if let Some(filter) = &join.filter {
                    let condition = left.resolved(filter)?;
                    left.hold(condition);
                }
                Some(left)
            }
            _ => None,
        }
    }

    /// Writes an expression over the output columns as one over the tables.
    pub(super) fn resolved(&self, expr: &Expr) -> Option<Expr> {
        let mut is_known = true;
        let resolved = expr.clone().transform_up(|part| {
            Ok(match part {
                Expr::Column(column) => match self.column(&column) {
                    Some(of) => Transformed::yes(of),
                    None => {
                        is_known = false;
                        Transformed::no(Expr::Column(column))
                    }
                },
                Expr::Alias(alias) => Transformed::yes(*alias.expr),
                other => Transformed::no(other),
            })
        });
        resolved
            .ok()
            .filter(|_| is_known)
            .map(|resolved| resolved.data)
    }

    fn column(&self, column: &Column) -> Option<Expr> {
        let is_meant = |(qualifier, field, _): &&(Option<TableReference>, FieldRef, Expr)| {
            let is_of = match (&column.relation, qualifier) {
                (Some(named), Some(own)) => named.resolved_eq(own),
                (Some(_), None) => false,
                (None, _) => true,
            };
            is_of && *field.name() == column.name
        };
        let mut found = self.outputs.iter().filter(is_meant);
        let (_, _, expr) = found.next()?;
        // A name that may mean two columns is not looked into.
        found.next().is_none().then(|| expr.clone())
    }

    fn hold(&mut self, condition: Expr) {
        for one in split_conjunction_owned(condition) {
            let one = ordered(one);
            if !self.conditions.contains(&one) {
                self.conditions.push(one);
            }
        }
    }
}

/// Writes the sides of an equation in one order.
fn ordered(condition: Expr) -> Expr {
    match condition {
        Expr::BinaryExpr(mut binary) if binary.op == Operator::Eq => {
            if binary.left.to_string() > binary.right.to_string() {
                std::mem::swap(&mut binary.left, &mut binary.right);
            }
            Expr::BinaryExpr(binary)
        }
        other => other,
    }
}
