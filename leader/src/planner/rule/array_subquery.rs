//! Subqueries that unnest an array of the query around them: `EXISTS (SELECT 1 FROM t.items i WHERE i.x = t.y)`.
//!
//! The engine joins a subquery only where it compares columns of its own tables with those around it, and an array has
//! no table. So it gets one: the distinct values of the columns it takes from around, the *domain* ([`domain`]). The
//! subquery is computed for all rows of the domain at once ([`push`]), every row of its result beside the row of the
//! domain it belongs to, and joined back by a key that is equal for equal rows. Everything is done by operators that
//! are there, on all slices, and how often a row around occurs, or that its array is null or empty, changes nothing.
//!
//! EXISTS and IN keep their form, with the comparison of the keys as their only tie to the outside, which the engine
//! makes a join of. The value of a subquery is joined here. It runs after [`super::subquery_value`], which leaves no
//! subqueries but in projections and filters, and IN only in filters.

mod domain;
mod push;

use super::subquery_value::gives_one_row;
use blueshift_sql::function::one_row::one_row;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinConstraint, JoinType, NullEquality, Result};
use datafusion::functions_aggregate::expr_fn::{count, first_value};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection, Subquery, lit,
};
use domain::{Domain, Taken};
use push::Push;
use std::sync::Arc;

/// What the joined values, their counts and keys are called; a user's names begin otherwise.
const VALUE: &str = "__array_value_";
const ROWS: &str = "__array_rows_";
const MATCH: &str = "__array_match_";

/// Computes them all.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    match spreads(&plan)? {
        true => Settling { joined: 0 }.settle(plan),
        false => Ok(plan),
    }
}

/// Tells whether an array of a query around is unnested anywhere.
fn spreads(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Unnest(unnest) = node {
            found |= !unnest.input.all_out_ref_exprs().is_empty();
        }
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// The subquery in an expression, if it is one.
fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(search) => Some(&search.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        _ => None,
    }
}

/// A subquery computed for all rows of its domain: what it gives, beside their keys.
struct Computed {
    plan: LogicalPlan,
    domain: Domain,
}

struct Settling {
    /// How many values were joined, for their names.
    joined: usize,
}

impl Settling {
    fn settle(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.map_children(|child| self.settle(child).map(Transformed::yes));
        let plan = match plan.data()? {
            LogicalPlan::Filter(filter) => self.filter(filter)?,
            LogicalPlan::Projection(projection) => self.projection(projection)?,
            other => other,
        };
        plan.map_subqueries(|subquery| self.settle(subquery).map(Transformed::yes))
            .data()
    }

    fn filter(&mut self, filter: Filter) -> Result<LogicalPlan> {
        let plain = split_conjunction(&filter.predicate).into_iter();
        let plain = plain.filter(|part| {
            !part.is_volatile()
                && !part
                    .exists(|part| Ok(subquery_of(part).is_some()))
                    .unwrap_or(true)
        });
        // Rows that other conditions leave out need no answer.
        let outer = match conjunction(plain.cloned()) {
            Some(condition) => {
                LogicalPlan::Filter(Filter::try_new(condition, Arc::clone(&filter.input))?)
            }
            None => filter.input.as_ref().clone(),
        };
        let before = self.joined;
        let mut input = filter.input.as_ref().clone();
        let columns = input.schema().columns();
        let predicate = self.replaced(filter.predicate, &outer, &mut input)?;
        let filter = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?);
        if self.joined == before {
            return Ok(filter);
        }
        let columns = columns.into_iter().map(Expr::Column).collect();
        Projection::try_new(columns, Arc::new(filter)).map(LogicalPlan::Projection)
    }

    fn projection(&mut self, projection: Projection) -> Result<LogicalPlan> {
        let outer = projection.input.as_ref().clone();
        let mut input = outer.clone();
        let exprs = projection.expr.into_iter().map(|expr| {
            let name = NamePreserver::new_for_projection().save(&expr);
            Ok(name.restore(self.replaced(expr, &outer, &mut input)?))
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection)
    }

    /// Ties the subqueries in an expression to the outside by their keys, and joins the values of others to `input`.
    fn replaced(
        &mut self,
        expr: Expr,
        outer: &LogicalPlan,
        input: &mut LogicalPlan,
    ) -> Result<Expr> {
        let replaced = expr.transform_down(|part| {
            let Some(subquery) = subquery_of(&part) else {
                return Ok(Transformed::no(part));
            };
            let Some(computed) = computed(subquery, outer)? else {
                return Ok(Transformed::no(part));
            };
            let replaced = match part {
                Expr::ScalarSubquery(subquery) => self.value(&subquery, computed, input)?,
                Expr::Exists(exists) => Expr::Exists(Exists::new(
                    tied(&exists.subquery, computed)?,
                    exists.negated,
                )),
                Expr::InSubquery(search) => {
                    let subquery = tied(&search.subquery, computed)?;
                    Expr::InSubquery(InSubquery::new(search.expr, subquery, search.negated))
                }
                Expr::SetComparison(comparison) => Expr::SetComparison(SetComparison {
                    subquery: tied(&comparison.subquery, computed)?,
                    ..comparison
                }),
                other => other,
            };
            Ok(Transformed::yes(replaced))
        });
        replaced.data()
    }

    /// Joins the value of a subquery to `input`, and names it.
    fn value(
        &mut self,
        subquery: &Subquery,
        computed: Computed,
        input: &mut LogicalPlan,
    ) -> Result<Expr> {
        self.joined += 1;
        let number = self.joined;
        let named = |prefix: &str| format!("{prefix}{number}");
        let column = |prefix: &str| Expr::Column(Column::new_unqualified(named(prefix)));
        let plan = subquery.subquery.as_ref();
        let item = item_of(plan);
        let key = Expr::Column(computed.domain.key());
        let is_one = gives_one_row(plan);
        let right = match is_one {
            true => LogicalPlanBuilder::from(computed.plan)
                .project(vec![item.alias(named(VALUE)), key.alias(named(MATCH))])?
                .build()?,
            false => {
                let builder = LogicalPlanBuilder::from(computed.plan).aggregate(
                    vec![key.clone()],
                    vec![first_value(item, Vec::new()), count(lit(1_i64))],
                )?;
                let schema = Arc::clone(builder.schema());
                let found = |index| Expr::from(schema.qualified_field(index));
                builder
                    .project(vec![
                        found(1).alias(named(VALUE)),
                        found(2).alias(named(ROWS)),
                        key.alias(named(MATCH)),
                    ])?
                    .build()?
            }
        };
        let right = self.settle(right)?;
        let on = vec![(computed.domain.key_of_columns(), column(MATCH))];
        *input = LogicalPlan::Join(Join::try_new(
            Arc::new(input.clone()),
            Arc::new(right),
            on,
            None,
            JoinType::Left,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )?);
        Ok(match is_one {
            true => column(VALUE),
            false => one_row().call(vec![column(VALUE), column(ROWS)]),
        })
    }
}

/// The first column of a plan.
fn item_of(plan: &LogicalPlan) -> Expr {
    Expr::from(plan.schema().qualified_field(0))
}

/// Computes a subquery for all rows of `outer`, if it unnests an array of them.
fn computed(subquery: &Subquery, outer: &LogicalPlan) -> Result<Option<Computed>> {
    let taken = Taken::of(&subquery.subquery, outer.schema())?;
    if !taken.spreads {
        return Ok(None);
    }
    let domain = Domain::of(taken, outer)?;
    let plan = Push::new(&domain).push(subquery.subquery.as_ref().clone())?;
    Ok(Some(Computed { plan, domain }))
}

/// A subquery with the comparison of its key as its only tie to the outside.
fn tied(subquery: &Subquery, computed: Computed) -> Result<Subquery> {
    let key = Expr::Column(computed.domain.key());
    let columns = subquery.subquery.schema().columns();
    let plan = LogicalPlanBuilder::from(computed.plan)
        .filter(key.eq(computed.domain.key_from_outside()))?
        .project(columns.into_iter().map(Expr::Column))?
        .build()?;
    Ok(Subquery {
        outer_ref_columns: plan.all_out_ref_exprs(),
        subquery: Arc::new(plan),
        spans: subquery.spans.clone(),
    })
}
