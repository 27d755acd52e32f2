//! The values that a subquery takes from the query around it, each combination once.

use super::subquery_of;
use blueshift_sql::Error;
use blueshift_sql::function::row_key::row_key;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::first_value;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};

/// What the columns of a domain begin with; how many domains stand around it and what each is follow.
const PREFIX: &str = "__outer";
/// What the key of a domain ends with.
const KEY: &str = "_key";

/// What a subquery takes from the query around it.
pub(super) struct Taken {
    /// The columns, each once.
    columns: Vec<(FieldRef, Column)>,
    /// Whether it unnests one of them.
    pub(super) spreads: bool,
}

impl Taken {
    /// Finds the columns of `around` that a subquery takes, also in subqueries of its own.
    pub(super) fn of(plan: &LogicalPlan, around: &DFSchema) -> Result<Self> {
        let mut taken = Self {
            columns: Vec::new(),
            spreads: false,
        };
        taken.collect(plan, &|column| around.has_column(column))?;
        Ok(taken)
    }

    fn collect(&mut self, plan: &LogicalPlan, is_around: &dyn Fn(&Column) -> bool) -> Result<()> {
        plan.apply(|node| {
            if let LogicalPlan::Unnest(unnest) = node {
                let refs = unnest.input.all_out_ref_exprs();
                self.spreads |= refs.iter().any(|expr| {
                    matches!(expr, Expr::OuterReferenceColumn(_, column) if is_around(column))
                });
            }
            node.apply_expressions(|expr| {
                expr.apply(|part| {
                    if let Expr::OuterReferenceColumn(field, column) = part {
                        let is_known = self.columns.iter().any(|(_, known)| known == column);
                        if is_around(column) && !is_known {
                            self.columns.push((FieldRef::clone(field), column.clone()));
                        }
                    } else if let Some(subquery) = subquery_of(part) {
                        let nearer = node.inputs();
                        let is_ours = |column: &Column| {
                            is_around(column)
                                && !nearer.iter().any(|input| input.schema().has_column(column))
                        };
                        self.collect(&subquery.subquery, &is_ours)?;
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(())
    }
}

/// The distinct values of what is taken.
pub(super) struct Domain {
    /// Gives the key and the columns.
    plan: LogicalPlan,
    columns: Vec<(FieldRef, Column)>,
    /// How many domains the rows around are of, so that the names here are others than theirs.
    level: usize,
}

impl Domain {
    /// The domain of the rows of `outer`, and perhaps of more.
    pub(super) fn of(taken: Taken, outer: &LogicalPlan) -> Result<Self> {
        let columns = taken.columns;
        let is_key = |name: &str| name.starts_with(PREFIX) && name.ends_with(KEY);
        let fields = outer.schema().fields().iter();
        let level = fields.filter(|field| is_key(field.name())).count();
        let name = |place: usize| column_name(level, place);
        let key = row_key().call(around(&columns));
        let named = |(place, expr): (usize, Expr)| expr.alias(name(place));
        let values = around(&columns).into_iter().enumerate().map(named);
        let all = std::iter::once(key.alias(key_name(level))).chain(values);
        let firsts = (0..columns.len())
            .map(|place| first_value(Expr::Column(Column::new_unqualified(name(place))), vec![]));
        let key = || Expr::Column(Column::new_unqualified(key_name(level)));
        let builder = LogicalPlanBuilder::from(repeatable(outer)?)
            .project(all)?
            .aggregate(vec![key()], firsts)?;
        let schema = std::sync::Arc::clone(builder.schema());
        let found = (0..columns.len())
            .map(|place| Expr::from(schema.qualified_field(place + 1)).alias(name(place)));
        let plan = builder
            .project(std::iter::once(key()).chain(found))?
            .build()?;
        Ok(Self {
            plan,
            columns,
            level,
        })
    }

    /// The key of a row of the domain: never null, and equal for equal rows alone.
    pub(super) fn key(&self) -> Column {
        Column::new_unqualified(key_name(self.level))
    }

    /// The rows of the domain.
    pub(super) fn plan(&self) -> LogicalPlan {
        self.plan.clone()
    }

    /// The key and the columns, as every step of the subquery carries them on.
    pub(super) fn carried(&self) -> Vec<Expr> {
        self.plan
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect()
    }

    /// The column of the domain that stands for one from around.
    pub(super) fn column(&self, outer: &Column) -> Option<Column> {
        let place = self.columns.iter().position(|(_, known)| known == outer)?;
        Some(Column::new_unqualified(column_name(self.level, place)))
    }

    /// Tells whether this is a column from around.
    pub(super) fn has(&self, outer: &Column) -> bool {
        self.columns.iter().any(|(_, known)| known == outer)
    }

    /// The key of a row around, over the columns there.
    pub(super) fn key_of_columns(&self) -> Expr {
        row_key().call(around(&self.columns))
    }

    /// The key of the row around, as the subquery sees it.
    pub(super) fn key_from_outside(&self) -> Expr {
        let refs = self.columns.iter().map(|(field, column)| {
            Expr::OuterReferenceColumn(FieldRef::clone(field), column.clone())
        });
        row_key().call(refs.collect())
    }
}

fn key_name(level: usize) -> String {
    format!("{PREFIX}{level}{KEY}")
}

fn column_name(level: usize, place: usize) -> String {
    format!("{PREFIX}{level}_{place}")
}

fn around(columns: &[(FieldRef, Column)]) -> Vec<Expr> {
    columns
        .iter()
        .map(|(_, column)| Expr::Column(column.clone()))
        .collect()
}

/// A plan of at least the same rows, that gives the same values each time.
fn repeatable(outer: &LogicalPlan) -> Result<LogicalPlan> {
    let plan = unlimited(outer.clone())?;
    let mut varies = false;
    plan.apply(|node| {
        varies |= matches!(node, LogicalPlan::Limit(_))
            || node.expressions().iter().any(Expr::is_volatile);
        Ok(match varies {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    match varies {
        false => Ok(plan),
        true => Err(refused(
            "a subquery over an array of rows that may be others each time, by RANDOM or LIMIT,",
            "Put these rows into a temporary table first",
        )),
    }
}

/// Leaves out what takes the first rows alone, where that gives more rows and no others.
fn unlimited(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Limit(limit) => unlimited(limit.input.as_ref().clone()),
        LogicalPlan::Sort(sort) => unlimited(sort.input.as_ref().clone()),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => plan
            .map_children(|child| unlimited(child).map(Transformed::yes))
            .data(),
        LogicalPlan::Join(ref join) if join.join_type == JoinType::Inner => plan
            .map_children(|child| unlimited(child).map(Transformed::yes))
            .data(),
        other => Ok(other),
    }
}

/// The refusal of a subquery over an array, by name.
pub(super) fn refused(what: &str, hint: &str) -> DataFusionError {
    DataFusionError::External(Box::new(Error::unsupported(what, hint)))
}
