//! A subquery computed for all rows of a domain at once: every step of its plan carries the columns of the domain on.
//!
//! This is the dependent join of "Unnesting Arbitrary Queries" (Neumann and Kemper, 2015), pushed down to where the
//! array is unnested: a filter sees the columns of the domain in the place of those from around, an aggregate groups by
//! the key besides, a window is cut by it, LIMIT counts the rows of each key, joins of two parts compare keys.

use super::domain::{Domain, refused};
use super::subquery_of;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, Result, TableReference};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, Sort as SortKey};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{FetchType, SkipType};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprFunctionExt, Filter, Join, Limit, LogicalPlan,
    LogicalPlanBuilder, Projection, Subquery, SubqueryAlias, Union, Unnest, Window, lit, when,
};
use datafusion::scalar::ScalarValue;
use std::sync::Arc;

/// The key of the other side of a join.
const OTHER_KEY: &str = "__outer_other_key";
/// The place of a row among those of its key.
const PLACE: &str = "__outer_place";
/// What an aggregate is called while the keys without rows are added to it.
const TOTAL: &str = "__outer_total_";

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

pub(super) struct Push<'a> {
    domain: &'a Domain,
}

impl<'a> Push<'a> {
    pub(super) fn new(domain: &'a Domain) -> Self {
        Self { domain }
    }

    fn key(&self) -> Expr {
        Expr::Column(self.domain.key())
    }

    /// Gives the rows of a plan for each row of the domain, with its columns beside theirs.
    pub(super) fn push(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if !self.depends(&plan)? {
            return self.beside(plan);
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.push(projection.input.as_ref().clone())?;
                let schema = projection.input.schema();
                let exprs = self.named(projection.expr, &[schema])?;
                self.projected(exprs, input, &[])
            }
            LogicalPlan::Filter(filter) => {
                let predicate = self.seen(filter.predicate, &[filter.input.schema()])?;
                let input = self.push(filter.input.as_ref().clone())?;
                Filter::try_new(predicate, Arc::new(input)).map(LogicalPlan::Filter)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.push(alias.input.as_ref().clone())?;
                self.projected(renamed(&alias), input, &[])
            }
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            // An order means something under LIMIT alone.
            LogicalPlan::Sort(sort) => self.push(sort.input.as_ref().clone()),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let columns = columns_of(input.schema());
                let input = self.push(input.as_ref().clone())?;
                let input = self.projected(columns, input, &[])?;
                Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))))
            }
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Join(join) => self.join(join),
            other => Err(refused(
                &format!(
                    "{} in a subquery over an array of the query around it,",
                    kind(&other)
                ),
                "Unnest the array in a query of its own, and join that",
            )),
        }
    }

    fn depends(&self, plan: &LogicalPlan) -> Result<bool> {
        let mut depends = false;
        self.visit(plan, &|column| self.domain.has(column), &mut depends)?;
        Ok(depends)
    }

    fn visit(
        &self,
        plan: &LogicalPlan,
        is_around: &dyn Fn(&Column) -> bool,
        found: &mut bool,
    ) -> Result<()> {
        plan.apply(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|part| {
                    if let Expr::OuterReferenceColumn(_, column) = part {
                        *found |= is_around(column);
                    } else if let Some(subquery) = subquery_of(part) {
                        let nearer = node.inputs();
                        let is_ours = |column: &Column| {
                            is_around(column)
                                && !nearer.iter().any(|input| input.schema().has_column(column))
                        };
                        self.visit(&subquery.subquery, &is_ours, found)?;
                    }
                    Ok(match found {
                        true => TreeNodeRecursion::Stop,
                        false => TreeNodeRecursion::Continue,
                    })
                })
            })
        })?;
        Ok(())
    }

    /// A plan that takes nothing from around, beside each row of the domain.
    fn beside(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let is_one_row = |plan: &LogicalPlan| matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row);
        match plan {
            plan if is_one_row(&plan) => Ok(self.domain.plan()),
            LogicalPlan::Projection(one) if is_one_row(&one.input) => {
                self.projected(one.expr, self.domain.plan(), &[])
            }
            plan => LogicalPlanBuilder::from(self.domain.plan())
                .cross_join(plan)?
                .build(),
        }
    }

    /// Puts columns of the domain in the place of those from around; `schemas` are what the expression stands over.
    fn seen(&self, expr: Expr, schemas: &[&DFSchemaRef]) -> Result<Expr> {
        let seen = expr.transform_down(|part| match part {
            Expr::OuterReferenceColumn(field, outer) => Ok(match self.domain.column(&outer) {
                Some(column) => Transformed::yes(Expr::Column(column)),
                None => Transformed::no(Expr::OuterReferenceColumn(field, outer)),
            }),
            part => nested(part, &|subquery| self.inside(subquery, schemas)),
        });
        seen.data()
    }

    /// The same in a subquery further in, which now takes them from this one. What it finds nearer stays.
    fn inside(&self, subquery: Subquery, nearer: &[&DFSchemaRef]) -> Result<Subquery> {
        let taken = |outer: &Column| match nearer.iter().any(|schema| schema.has_column(outer)) {
            true => None,
            false => self.domain.column(outer),
        };
        let plan = replaced_outside(subquery.subquery.as_ref().clone(), &taken)?;
        Ok(Subquery {
            outer_ref_columns: plan.all_out_ref_exprs(),
            subquery: Arc::new(plan),
            spans: subquery.spans,
        })
    }

    /// Does [`Self::seen`] for expressions whose names are known above.
    fn named(&self, exprs: Vec<Expr>, schemas: &[&DFSchemaRef]) -> Result<Vec<Expr>> {
        let named = exprs.into_iter().map(|expr| {
            let name = NamePreserver::new_for_projection().save(&expr);
            Ok(name.restore(self.seen(expr, schemas)?))
        });
        named.collect()
    }

    /// A projection that carries the domain on, and other columns.
    fn projected(
        &self,
        exprs: Vec<Expr>,
        input: LogicalPlan,
        more: &[Expr],
    ) -> Result<LogicalPlan> {
        let exprs = exprs
            .into_iter()
            .chain(self.domain.carried())
            .chain(more.iter().cloned());
        Projection::try_new(exprs.collect(), Arc::new(input)).map(LogicalPlan::Projection)
    }

    fn unnest(&self, unnest: Unnest) -> Result<LogicalPlan> {
        let input = self.push(unnest.input.as_ref().clone())?;
        LogicalPlanBuilder::from(input)
            .unnest_columns_with_options(unnest.exec_columns, unnest.options)?
            .build()
    }

    fn aggregate(&self, aggregate: Aggregate) -> Result<LogicalPlan> {
        let schema = Arc::clone(aggregate.input.schema());
        if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
            return Err(refused(
                "GROUPING SETS, ROLLUP or CUBE in a subquery over an array of the query around it,",
                "Unnest the array in a query of its own, and join that",
            ));
        }
        let input = self.push(aggregate.input.as_ref().clone())?;
        let calls = self.all_seen(aggregate.aggr_expr, &schema)?;
        if aggregate.group_expr.is_empty() {
            return self.totals(calls, input, &aggregate.schema);
        }
        let mut groups = self.all_seen(aggregate.group_expr, &schema)?;
        let (width, shown) = (groups.len(), aggregate.schema);
        // Rows of one key are rows of one row of the domain.
        let carried = self.domain.carried();
        let rest = carried.iter().skip(1).cloned();
        groups.push(self.key());
        let number = calls.len();
        let calls = calls.into_iter().chain(rest.clone().map(|column| {
            datafusion::functions_aggregate::expr_fn::first_value(column, Vec::new())
        }));
        let plan = Aggregate::try_new(Arc::new(input), groups, calls.collect())?;
        let found = |index: usize| Expr::from(plan.schema.qualified_field(index));
        let places = (0..width).chain(width + 1..width + 1 + number);
        let own = places.zip(shown.iter()).map(|(place, (qualifier, field))| {
            found(place).alias_qualified(qualifier.cloned(), field.name())
        });
        let key = std::iter::once(self.key());
        let carried = rest.enumerate().map(|(place, carried)| {
            found(width + 1 + number + place).alias(carried.schema_name().to_string())
        });
        let exprs: Vec<Expr> = own.chain(key).chain(carried).collect();
        Projection::try_new(exprs, Arc::new(LogicalPlan::Aggregate(plan)))
            .map(LogicalPlan::Projection)
    }

    fn all_seen(&self, exprs: Vec<Expr>, schema: &DFSchemaRef) -> Result<Vec<Expr>> {
        let seen = exprs.into_iter().map(|expr| self.seen(expr, &[schema]));
        seen.collect()
    }

    /// Aggregates without groups: one row for each of the domain, also where there is nothing to aggregate.
    fn totals(
        &self,
        calls: Vec<Expr>,
        input: LogicalPlan,
        shown: &DFSchemaRef,
    ) -> Result<LogicalPlan> {
        let empty: Vec<ScalarValue> = calls
            .iter()
            .zip(shown.fields())
            .map(|(call, field)| match call.clone().unalias_nested().data {
                Expr::AggregateFunction(call) => call.func.default_value(field.data_type()),
                _ => ScalarValue::try_from(field.data_type()),
            })
            .collect::<Result<_>>()?;
        let plan = Aggregate::try_new(Arc::new(input), vec![self.key()], calls)?;
        let found = |index: usize| Expr::from(plan.schema.qualified_field(index));
        let named = (0..empty.len()).map(|place| found(place + 1).alias(format!("{TOTAL}{place}")));
        let exprs = named.chain([self.key().alias(OTHER_KEY)]).collect();
        let plan = Projection::try_new(exprs, Arc::new(LogicalPlan::Aggregate(plan)))?;
        let joined = LogicalPlanBuilder::from(self.domain.plan())
            .join(
                LogicalPlan::Projection(plan),
                JoinType::Left,
                (
                    vec![self.domain.key()],
                    vec![Column::new_unqualified(OTHER_KEY)],
                ),
                None,
            )?
            .build()?;
        let totals = empty.into_iter().zip(shown.iter()).enumerate();
        let totals = totals.map(|(place, (empty, (qualifier, field)))| {
            let total = column(&format!("{TOTAL}{place}"));
            let total = match empty.is_null() {
                true => total,
                false => when(column(OTHER_KEY).is_null(), lit(empty)).otherwise(total)?,
            };
            Ok(total.alias_qualified(qualifier.cloned(), field.name()))
        });
        self.projected(totals.collect::<Result<_>>()?, joined, &[])
    }

    fn window(&self, window: Window) -> Result<LogicalPlan> {
        let schema = Arc::clone(window.input.schema());
        let input = self.push(window.input.as_ref().clone())?;
        let width = input.schema().fields().len();
        let calls = window.window_expr.into_iter().map(|expr| {
            let cut = self
                .seen(expr, &[&schema])?
                .transform_up(|part| match part {
                    Expr::WindowFunction(mut call) => {
                        call.params.partition_by.push(self.key());
                        Ok(Transformed::yes(Expr::WindowFunction(call)))
                    }
                    other => Ok(Transformed::no(other)),
                });
            cut.data()
        });
        let plan = Window::try_new(calls.collect::<Result<_>>()?, Arc::new(input))?;
        let mut exprs = columns_of(&schema);
        let named = window.schema.iter().skip(schema.fields().len()).enumerate();
        exprs.extend(named.map(|(place, (qualifier, field))| {
            Expr::from(plan.schema.qualified_field(width + place))
                .alias_qualified(qualifier.cloned(), field.name())
        }));
        self.projected(exprs, LogicalPlan::Window(plan), &[])
    }

    /// LIMIT and OFFSET: the rows of each key are numbered in their order.
    fn limit(&self, limit: Limit) -> Result<LogicalPlan> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(refused(
                "a LIMIT that is no constant in a subquery over an array of the query around it,",
                "Write the number",
            ));
        };
        let bound = |rows: usize| lit(u64::try_from(rows).unwrap_or(u64::MAX));
        let mut condition = column(PLACE).gt(bound(skip));
        if let Some(fetch) = fetch {
            condition = condition.and(column(PLACE).lt_eq(bound(skip.saturating_add(fetch))));
        }
        let columns = columns_of(limit.input.schema());
        let numbered = self.numbered(limit.input.as_ref().clone())?;
        let kept = Filter::try_new(condition, Arc::new(numbered))?;
        self.projected(columns, LogicalPlan::Filter(kept), &[])
    }

    /// Does [`Self::push`] and gives the place of each row among those of its key besides.
    fn numbered(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let (input, order) = match plan {
            LogicalPlan::Projection(projection) if is_sorted(&projection.input) => {
                let input = self.numbered(projection.input.as_ref().clone())?;
                let exprs = self.named(projection.expr, &[projection.input.schema()])?;
                return self.projected(exprs, input, &[column(PLACE)]);
            }
            LogicalPlan::SubqueryAlias(alias) if is_sorted(&alias.input) => {
                let input = self.numbered(alias.input.as_ref().clone())?;
                return self.projected(renamed(&alias), input, &[column(PLACE)]);
            }
            LogicalPlan::Sort(sort) => {
                let schema = Arc::clone(sort.input.schema());
                let keys = sort.expr.into_iter().map(|key| {
                    Ok(SortKey {
                        expr: self.seen(key.expr, &[&schema])?,
                        ..key
                    })
                });
                (sort.input.as_ref().clone(), keys.collect::<Result<_>>()?)
            }
            other => (other, Vec::new()),
        };
        let columns = columns_of(input.schema());
        let input = self.push(input)?;
        let width = input.schema().fields().len();
        let number = row_number()
            .partition_by(vec![self.key()])
            .order_by(order)
            .build()?;
        let plan = Window::try_new(vec![number], Arc::new(input))?;
        let place = Expr::from(plan.schema.qualified_field(width)).alias(PLACE);
        self.projected(columns, LogicalPlan::Window(plan), &[place])
    }

    fn union(&self, union: Union) -> Result<LogicalPlan> {
        let inputs = union.inputs.into_iter().map(|input| {
            let columns = columns_of(input.schema());
            let pushed = self.push(input.as_ref().clone())?;
            self.projected(columns, pushed, &[]).map(Arc::new)
        });
        let plan = Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)?;
        let shown = union.schema.iter().enumerate();
        let shown = shown.map(|(place, (qualifier, field))| {
            Expr::from(plan.schema.qualified_field(place))
                .alias_qualified(qualifier.cloned(), field.name())
        });
        let shown: Vec<Expr> = shown.collect();
        self.projected(shown, LogicalPlan::Union(plan), &[])
    }

    fn join(&self, join: Join) -> Result<LogicalPlan> {
        let (left, right) = (self.depends(&join.left)?, self.depends(&join.right)?);
        use JoinType::*;
        // The side whose rows are kept must have the domain, and the other only if it asks for it.
        let (left, right, is_left_kept) = match join.join_type {
            Inner => (left || !right, right, left || !right),
            Left | LeftSemi | LeftAnti | LeftMark => (true, right, true),
            Right | RightSemi | RightAnti | RightMark => (left, true, false),
            Full => {
                return Err(refused(
                    "FULL JOIN in a subquery over an array of the query around it,",
                    "Unnest the array in a query of its own, and join that",
                ));
            }
        };
        let schemas = [join.left.schema(), join.right.schema()];
        let on = join.on.iter().map(|(left, right)| {
            let left = self.seen(left.clone(), &schemas)?;
            Ok((left, self.seen(right.clone(), &schemas)?))
        });
        let mut on = on.collect::<Result<Vec<_>>>()?;
        let filter = join.filter.clone();
        let filter = filter
            .map(|filter| self.seen(filter, &schemas))
            .transpose()?;
        let side = |plan: &LogicalPlan, pushed: bool, is_kept: bool| match (pushed, is_kept) {
            (false, _) => Ok(plan.clone()),
            (true, true) => self.push(plan.clone()),
            (true, false) => {
                let mut exprs = columns_of(plan.schema());
                exprs.push(self.key().alias(OTHER_KEY));
                let pushed = self.push(plan.clone())?;
                Projection::try_new(exprs, Arc::new(pushed)).map(LogicalPlan::Projection)
            }
        };
        let keys = (left && right).then(|| match is_left_kept {
            true => (self.key(), column(OTHER_KEY)),
            false => (column(OTHER_KEY), self.key()),
        });
        on.extend(keys);
        let plan = Join::try_new(
            Arc::new(side(&join.left, left, is_left_kept)?),
            Arc::new(side(&join.right, right, !is_left_kept)?),
            on,
            filter,
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let columns = columns_of(&join.schema);
        self.projected(columns, LogicalPlan::Join(plan), &[])
    }
}

/// Puts columns of the query that a subquery now stands in in the place of those from further out.
fn replaced_outside(
    plan: LogicalPlan,
    taken: &dyn Fn(&Column) -> Option<Column>,
) -> Result<LogicalPlan> {
    let replaced = plan.transform_up(|node| {
        let inputs: Vec<DFSchemaRef> = node
            .inputs()
            .into_iter()
            .map(|input| Arc::clone(input.schema()))
            .collect();
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let replaced = expr.transform_down(|part| match part {
                Expr::OuterReferenceColumn(field, outer) => Ok(match taken(&outer) {
                    Some(column) => Transformed::yes(Expr::OuterReferenceColumn(field, column)),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, outer)),
                }),
                part => nested(part, &|subquery| {
                    let further =
                        |outer: &Column| match inputs.iter().any(|schema| schema.has_column(outer))
                        {
                            true => None,
                            false => taken(outer),
                        };
                    let plan = replaced_outside(subquery.subquery.as_ref().clone(), &further)?;
                    Ok(Subquery {
                        outer_ref_columns: plan.all_out_ref_exprs(),
                        subquery: Arc::new(plan),
                        spans: subquery.spans,
                    })
                }),
            })?;
            Ok(replaced.update_data(|expr| name.restore(expr)))
        })
    });
    replaced.data()
}

/// Changes the subquery that an expression is.
fn nested(part: Expr, change: &dyn Fn(Subquery) -> Result<Subquery>) -> Result<Transformed<Expr>> {
    Ok(Transformed::yes(match part {
        Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(change(subquery)?),
        Expr::Exists(exists) => Expr::Exists(Exists::new(change(exists.subquery)?, exists.negated)),
        Expr::InSubquery(search) => Expr::InSubquery(InSubquery::new(
            search.expr,
            change(search.subquery)?,
            search.negated,
        )),
        Expr::SetComparison(comparison) => Expr::SetComparison(SetComparison {
            expr: comparison.expr,
            subquery: change(comparison.subquery)?,
            op: comparison.op,
            quantifier: comparison.quantifier,
        }),
        other => return Ok(Transformed::no(other)),
    }))
}

fn columns_of(schema: &DFSchema) -> Vec<Expr> {
    schema.columns().into_iter().map(Expr::Column).collect()
}

/// The columns of an alias, made from those under it.
fn renamed(alias: &SubqueryAlias) -> Vec<Expr> {
    let under = alias.input.schema().columns().into_iter();
    let renamed = under.zip(alias.schema.fields()).map(|(column, field)| {
        let qualifier: Option<TableReference> = Some(alias.alias.clone());
        Expr::Column(column).alias_qualified(qualifier, field.name())
    });
    renamed.collect()
}

/// Tells whether the rows of a plan come in an order, and from where.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_sorted(&alias.input),
        _ => false,
    }
}

/// What a user calls a step of a plan.
fn kind(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE",
        LogicalPlan::Values(_) => "VALUES",
        LogicalPlan::Distinct(_) => "DISTINCT ON",
        _ => "this form of FROM",
    }
}
