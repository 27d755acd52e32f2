//! What the query of a materialized view is made of, and the plans that compute its rows: all of them, or the part
//! that changed.
//!
//! Of a query that selects, filters and joins (inner) the rows themselves are kept. Of one that also groups, each
//! group is kept with what its aggregates need to go on: the number of rows, sums with the number of values in them,
//! the least and the greatest. The stored table has the view's columns first and those *hidden* columns after them.

use super::flat::Flat;
use super::pieces::{self, reason};
use crate::error::{Error, Result};
use blueshift_compute::scan::StoredTable;
use blueshift_sql::function::average_finish;
use blueshift_storage::store::version::TableVersion;
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarUDF,
    TableScan, cast, col, lit, when,
};
use std::any::Any;
use std::sync::Arc;

/// The hidden column that counts the rows of a group.
const ROWS: &str = "num_rec";
/// The hidden column that tells whether HAVING lets a group be seen.
pub(crate) const SHOWN: &str = "mv_shown";

/// A bound query and what can be done with it.
pub(crate) struct Definition {
    /// The query.
    pub(crate) bound: LogicalPlan,
    /// What it is made of.
    pub(crate) shape: Shape,
    /// The stored tables it reads, once per place in the query.
    pub(crate) scans: Vec<u32>,
}

/// What a query is made of.
pub(crate) enum Shape {
    /// It can only be computed as a whole, for this reason.
    Whole(String),
    /// Rows of joined tables.
    Rows,
    /// Groups of them.
    Groups(Box<Groups>),
}

/// A query with GROUP BY or aggregate functions.
pub(crate) struct Groups {
    aggregate: Aggregate,
    calls: Vec<Call>,
    /// What stands above the aggregate, the nearest first.
    above: Vec<LogicalPlan>,
}

/// A call of an aggregate function.
struct Call {
    kind: Kind,
    argument: Expr,
}

enum Kind {
    Count,
    Sum,
    Average {
        total: DataType,
        finish: Box<ScalarUDF>,
    },
    Least,
    Greatest,
}

/// How values of a hidden column from several parts make one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    Key,
    Add,
    Least,
    Greatest,
}

impl Definition {
    /// Looks at a bound query.
    pub(crate) fn of(bound: LogicalPlan) -> Result<Self> {
        let mut scans = Vec::new();
        bound.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(stored) = stored(scan)
            {
                scans.push(u32::try_from(stored.version.id.0).unwrap_or_default());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let shape = match shape(&bound) {
            Ok(shape) => shape,
            Err(reason) => Shape::Whole(reason),
        };
        Ok(Self {
            bound,
            shape,
            scans,
        })
    }

    /// Tells whether it reads anything but stored tables.
    pub(crate) fn reads_others(&self) -> Result<bool> {
        let mut others = false;
        self.bound.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                others |= stored(scan).is_none();
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(others)
    }

    /// Gives the stored tables it reads anywhere, once each.
    pub(crate) fn tables(&self) -> Result<Vec<u32>> {
        let mut tables = Vec::new();
        self.bound.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(stored) = stored(scan)
            {
                tables.push(u32::try_from(stored.version.id.0).unwrap_or_default());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        tables.sort_unstable();
        tables.dedup();
        Ok(tables)
    }

    /// Gives the plan of all rows to store: the view's columns, then the hidden ones.
    pub(crate) fn all(&self, state: &SessionState) -> Result<LogicalPlan> {
        match &self.shape {
            Shape::Whole(_) | Shape::Rows => Ok(self.bound.clone()),
            Shape::Groups(groups) => {
                let input = groups.aggregate.input.as_ref().clone();
                groups.finished(groups.partials(state, input)?)
            }
        }
    }

    /// Gives the query of rows, or the rows that are grouped, with another version of each table it reads.
    pub(crate) fn rows_of(
        &self,
        version: impl Fn(usize) -> Arc<TableVersion>,
    ) -> Result<LogicalPlan> {
        let plan = match &self.shape {
            Shape::Groups(groups) => groups.aggregate.input.as_ref().clone(),
            Shape::Whole(_) | Shape::Rows => self.bound.clone(),
        };
        let mut place = 0;
        let replaced = plan.transform_down(|node| {
            let LogicalPlan::TableScan(scan) = node else {
                return Ok(Transformed::no(node));
            };
            let Some(stored) = stored(&scan) else {
                return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
            };
            let other = StoredTable {
                version: version(place),
                ..stored
            };
            place += 1;
            Ok(Transformed::yes(LogicalPlan::TableScan(TableScan {
                source: provider_as_source(Arc::new(other)),
                ..scan
            })))
        })?;
        Ok(replaced.data)
    }
}

/// Gives the stored table that a scan reads.
pub(crate) fn stored(scan: &TableScan) -> Option<StoredTable> {
    let provider = source_as_provider(&scan.source).ok()?;
    let any: &dyn Any = provider.as_ref();
    any.downcast_ref::<StoredTable>().cloned()
}

fn shape(bound: &LogicalPlan) -> std::result::Result<Shape, String> {
    let mut above = Vec::new();
    let mut plan = bound;
    loop {
        match plan {
            LogicalPlan::Projection(projection) => {
                pieces::check_exprs(&projection.expr, projection.input.schema())?;
                above.push(plan.clone());
                plan = &projection.input;
            }
            LogicalPlan::Filter(filter) => {
                let predicate = std::slice::from_ref(&filter.predicate);
                pieces::check_exprs(predicate, filter.input.schema())?;
                above.push(plan.clone());
                plan = &filter.input;
            }
            LogicalPlan::SubqueryAlias(alias) => {
                above.push(plan.clone());
                plan = &alias.input;
            }
            LogicalPlan::Aggregate(aggregate) => {
                pieces::check_rows(&aggregate.input)?;
                above.reverse();
                return groups(aggregate, above).map(|groups| Shape::Groups(Box::new(groups)));
            }
            _ => break,
        }
    }
    pieces::check_rows(bound)?;
    Ok(Shape::Rows)
}

fn groups(aggregate: &Aggregate, above: Vec<LogicalPlan>) -> std::result::Result<Groups, String> {
    let schema = aggregate.input.schema();
    pieces::check_exprs(&aggregate.group_expr, schema)?;
    let calls = aggregate.aggr_expr.iter().map(|expr| call(expr, schema));
    let calls = calls.collect::<std::result::Result<Vec<_>, _>>()?;
    let groups = Groups {
        aggregate: aggregate.clone(),
        calls,
        above,
    };
    let hidden: Vec<String> = groups.hidden().into_iter().map(|(name, _)| name).collect();
    let is_taken = |name: &str| hidden.iter().any(|hidden| hidden == name) || name == SHOWN;
    let nodes = groups.above.iter().map(LogicalPlan::schema);
    let mut names = nodes
        .chain([&aggregate.schema])
        .flat_map(|schema| schema.fields().iter());
    let taken = names.find(|field| is_taken(field.name()));
    let taken = taken.map(|field| field.name().clone());
    drop(names);
    match taken {
        Some(name) => Err(format!("A column named {name} is not supported")),
        None => Ok(groups),
    }
}

fn call(expr: &Expr, schema: &DFSchema) -> std::result::Result<Call, String> {
    let expr = match expr {
        Expr::Alias(alias) => alias.expr.as_ref(),
        other => other,
    };
    let Expr::AggregateFunction(function) = expr else {
        return Err(reason("Expressions of aggregates"));
    };
    let params = &function.params;
    let name = function.func.name();
    if params.distinct {
        return Err(reason("DISTINCT in aggregate functions"));
    }
    if params.filter.is_some() || !params.order_by.is_empty() {
        return Err(reason("Ordered and filtered aggregate functions"));
    }
    let argument = match params.args.as_slice() {
        [argument] => argument,
        [argument, _] if name == "string_agg" => argument,
        _ => {
            return Err(format!(
                "Aggregate function {} is not supported",
                name.to_uppercase()
            ));
        }
    };
    pieces::check_exprs(&params.args, schema)?;
    let ty = argument
        .get_type(schema)
        .map_err(|error| error.strip_backtrace())?;
    let kind = match name {
        "count" => Kind::Count,
        "sum" if ty.is_numeric() => Kind::Sum,
        "avg" if ty.is_numeric() => {
            let (total, finish) = average_finish(&ty).ok_or_else(|| reason("AVG of this type"))?;
            let finish = Box::new(finish);
            Kind::Average { total, finish }
        }
        "min" => Kind::Least,
        "max" => Kind::Greatest,
        // As it is called here.
        "string_agg" | "array_agg" => {
            return Err("Aggregate function LISTAGG is not supported".to_owned());
        }
        _ => {
            return Err(format!(
                "Aggregate function {} is not supported",
                name.to_uppercase()
            ));
        }
    };
    Ok(Call {
        kind,
        argument: argument.clone(),
    })
}

fn aggregate_function(state: &SessionState, name: &str) -> Result<Arc<AggregateUDF>> {
    let found = state.aggregate_functions().get(name).cloned();
    found.ok_or_else(|| Error::internal(format!("there is no aggregate function {name}")))
}

impl Groups {
    /// Looks at an aggregate alone, without what stands above it.
    pub(crate) fn of(aggregate: &Aggregate) -> std::result::Result<Self, String> {
        groups(aggregate, Vec::new())
    }

    /// The rows that are grouped.
    pub(crate) fn rows(&self) -> &LogicalPlan {
        &self.aggregate.input
    }

    /// Gives for each key what it is computed of and the hidden column that keeps it.
    pub(super) fn keys(&self, flat: &Flat) -> Option<Vec<(Expr, Expr)>> {
        let keys = (1..).zip(&self.aggregate.group_expr);
        let keys =
            keys.map(|(at, key)| Some((flat.resolved(key)?, kept_column(&format!("grvar_{at}")))));
        keys.collect()
    }

    /// Gives the hidden columns of these groups as read from the stored rows of `other`, which keeps finer ones;
    /// `None` if one is not there.
    pub(super) fn read_from(
        &self,
        own_flat: &Flat,
        other: &Self,
        other_flat: &Flat,
    ) -> Option<Vec<Expr>> {
        let there = other.keys(other_flat)?;
        let mut columns = Vec::new();
        for (at, key) in (1..).zip(&self.aggregate.group_expr) {
            let key = own_flat.resolved(key)?;
            let (_, column) = there.iter().find(|(there, _)| *there == key)?;
            columns.push(column.clone().alias(format!("grvar_{at}")));
        }
        columns.push(kept_column(ROWS).alias(ROWS));
        for (at, call) in (1..).zip(&self.calls) {
            let argument = own_flat.resolved(&call.argument)?;
            let is_floating = || {
                let schema = self.aggregate.input.schema();
                call.argument
                    .get_type(schema)
                    .map_or(true, |ty| ty.is_floating())
            };
            if matches!(call.kind, Kind::Sum | Kind::Average { .. }) && is_floating() {
                return None;
            }
            let value = format!("aggvar_{at}");
            if matches!(call.kind, Kind::Count)
                && matches!(argument, Expr::Literal(ref one, _) if !one.is_null())
            {
                columns.push(kept_column(ROWS).alias(value));
                continue;
            }
            let is_same = |there: &&(usize, &Call)| {
                std::mem::discriminant(&there.1.kind) == std::mem::discriminant(&call.kind)
                    && other_flat.resolved(&there.1.argument).as_ref() == Some(&argument)
            };
            let numbered: Vec<(usize, &Call)> = (1..).zip(&other.calls).collect();
            let (place, _) = numbered.iter().find(is_same)?;
            columns.push(kept_column(&format!("aggvar_{place}")).alias(value));
            if matches!(call.kind, Kind::Sum | Kind::Average { .. }) {
                let counted = kept_column(&format!("aggcnt_{place}"));
                columns.push(counted.alias(format!("aggcnt_{at}")));
            }
        }
        Some(columns)
    }

    /// Computes what the aggregate gives, under its names and in its types, from the hidden columns.
    pub(crate) fn values(&self, partials: LogicalPlan) -> Result<LogicalPlan> {
        let fields = self.aggregate.schema.iter().zip(self.computed()?);
        let columns = fields.map(|((qualifier, field), value)| {
            cast(value, field.data_type().clone()).alias_qualified(qualifier.cloned(), field.name())
        });
        let columns: Vec<_> = columns.collect();
        Ok(LogicalPlanBuilder::from(partials)
            .project(columns)?
            .build()?)
    }

    /// Tells whether rows that go away can be taken out of what is kept: not out of a least or greatest value, and
    /// not exactly out of a sum of floating-point numbers.
    pub(crate) fn can_subtract(&self) -> Result<bool> {
        let schema = self.aggregate.input.schema();
        for call in &self.calls {
            let is_exact = match call.kind {
                Kind::Count => true,
                Kind::Sum | Kind::Average { .. } => !call.argument.get_type(schema)?.is_floating(),
                Kind::Least | Kind::Greatest => false,
            };
            if !is_exact {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells whether there is GROUP BY.
    fn is_grouped(&self) -> bool {
        !self.aggregate.group_expr.is_empty()
    }

    /// Gives the hidden columns but [`SHOWN`], in order.
    fn hidden(&self) -> Vec<(String, Merge)> {
        let keys =
            (1..=self.aggregate.group_expr.len()).map(|at| (format!("grvar_{at}"), Merge::Key));
        let mut hidden: Vec<_> = keys.collect();
        hidden.push((ROWS.to_owned(), Merge::Add));
        for (at, call) in (1..).zip(&self.calls) {
            let value = format!("aggvar_{at}");
            match call.kind {
                Kind::Count => hidden.push((value, Merge::Add)),
                Kind::Sum | Kind::Average { .. } => {
                    hidden.push((value, Merge::Add));
                    hidden.push((format!("aggcnt_{at}"), Merge::Add));
                }
                Kind::Least => hidden.push((value, Merge::Least)),
                Kind::Greatest => hidden.push((value, Merge::Greatest)),
            }
        }
        hidden
    }

    /// Groups rows to the hidden columns.
    pub(crate) fn partials(&self, state: &SessionState, rows: LogicalPlan) -> Result<LogicalPlan> {
        let count = aggregate_function(state, "count")?;
        let sum = aggregate_function(state, "sum")?;
        let mut calls = vec![count.call(vec![lit(1_i64)]).alias(ROWS)];
        for (at, call) in (1..).zip(&self.calls) {
            let (value, counted) = (format!("aggvar_{at}"), format!("aggcnt_{at}"));
            let argument = call.argument.clone();
            match &call.kind {
                Kind::Count => calls.push(count.call(vec![argument]).alias(value)),
                Kind::Sum => {
                    calls.push(sum.call(vec![argument.clone()]).alias(value));
                    calls.push(count.call(vec![argument]).alias(counted));
                }
                Kind::Average { total, .. } => {
                    // The total has more room than a sum of the argument's type.
                    let wide = match total {
                        DataType::Decimal128(_, 0) => cast(argument.clone(), total.clone()),
                        _ => argument.clone(),
                    };
                    calls.push(sum.call(vec![wide]).alias(value));
                    calls.push(count.call(vec![argument]).alias(counted));
                }
                Kind::Least => {
                    let least = aggregate_function(state, "min")?;
                    calls.push(least.call(vec![argument]).alias(value));
                }
                Kind::Greatest => {
                    let greatest = aggregate_function(state, "max")?;
                    calls.push(greatest.call(vec![argument]).alias(value));
                }
            }
        }
        let keys = self.aggregate.group_expr.clone();
        let grouped = Aggregate::try_new(Arc::new(rows), keys, calls)?;
        let grouped = LogicalPlan::Aggregate(grouped);
        let columns = grouped.schema().columns().into_iter().zip(self.hidden());
        let columns = columns.map(|(column, (name, _))| Expr::Column(column).alias(name));
        let columns: Vec<_> = columns.collect();
        Ok(LogicalPlanBuilder::from(grouped)
            .project(columns)?
            .build()?)
    }

    /// Reads the hidden columns of the stored rows.
    pub(crate) fn kept(&self, stored: LogicalPlan) -> Result<LogicalPlan> {
        let names = self
            .hidden()
            .into_iter()
            .map(|(name, _)| found(stored.schema(), &name));
        let columns = names.collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlanBuilder::from(stored).project(columns)?.build()?)
    }

    /// Turns hidden columns of rows that came into those of rows that go.
    pub(crate) fn negated(&self, partials: LogicalPlan) -> Result<LogicalPlan> {
        let columns = self.hidden().into_iter().map(|(name, merge)| match merge {
            Merge::Add => Expr::Negative(Box::new(col(&name))).alias(name),
            Merge::Key | Merge::Least | Merge::Greatest => col(&name),
        });
        let columns: Vec<_> = columns.collect();
        Ok(LogicalPlanBuilder::from(partials)
            .project(columns)?
            .build()?)
    }

    /// Makes one group of those of several parts with the same keys.
    pub(crate) fn merged(
        &self,
        state: &SessionState,
        parts: Vec<LogicalPlan>,
        types: &[DataType],
    ) -> Result<LogicalPlan> {
        let hidden = self.hidden();
        let typed = |part: LogicalPlan| -> Result<LogicalPlan> {
            let columns = hidden.iter().zip(types);
            let columns = columns.map(|((name, _), ty)| cast(col(name), ty.clone()).alias(name));
            let columns: Vec<_> = columns.collect();
            Ok(LogicalPlanBuilder::from(part).project(columns)?.build()?)
        };
        let mut parts = parts.into_iter();
        let first = parts
            .next()
            .ok_or_else(|| Error::internal("nothing to merge"))?;
        let mut all = LogicalPlanBuilder::from(typed(first)?);
        for part in parts {
            all = all.union(typed(part)?)?;
        }
        let (mut keys, mut calls) = (Vec::new(), Vec::new());
        for (name, merge) in &hidden {
            let function = match merge {
                Merge::Key => {
                    keys.push(col(name));
                    continue;
                }
                Merge::Add => "sum",
                Merge::Least => "min",
                Merge::Greatest => "max",
            };
            let function = aggregate_function(state, function)?;
            calls.push(
                function
                    .call(vec![col(name)])
                    .alias(format!("{name}_merged")),
            );
        }
        let grouped =
            LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(all.build()?), keys, calls)?);
        let columns = grouped
            .schema()
            .columns()
            .into_iter()
            .zip(hidden.iter().zip(types));
        let columns = columns
            .map(|(column, ((name, _), ty))| cast(Expr::Column(column), ty.clone()).alias(name));
        let columns: Vec<_> = columns.collect();
        Ok(LogicalPlanBuilder::from(grouped)
            .project(columns)?
            .build()?)
    }

    /// Leaves out groups whose rows have all gone; without GROUP BY the one group stays.
    pub(crate) fn without_empty(&self, merged: LogicalPlan) -> Result<LogicalPlan> {
        match self.is_grouped() {
            true => Ok(LogicalPlanBuilder::from(merged)
                .filter(col(ROWS).gt(lit(0_i64)))?
                .build()?),
            false => Ok(merged),
        }
    }

    /// Gives the outputs of the aggregate as computed of hidden columns.
    fn computed(&self) -> Result<Vec<Expr>> {
        let own = |name: String| col(name);
        let mut values = Vec::new();
        for at in 1..=self.aggregate.group_expr.len() {
            values.push(own(format!("grvar_{at}")));
        }
        for (at, call) in (1..).zip(&self.calls) {
            let value = own(format!("aggvar_{at}"));
            let counted = || own(format!("aggcnt_{at}"));
            values.push(match &call.kind {
                // Nothing was counted where there is nothing, as in no group of a query that a filter leaves empty.
                Kind::Count => when(value.clone().is_not_null(), value).otherwise(lit(0_i64))?,
                Kind::Least | Kind::Greatest => value,
                // A sum of nothing is null, also when all that was in it has gone.
                Kind::Sum => when(counted().gt(lit(0_i64)), value).end()?,
                Kind::Average { total, finish } => {
                    finish.call(vec![cast(value, total.clone()), counted()])
                }
            });
        }
        Ok(values)
    }

    /// Computes the view's columns of hidden ones, and gives both.
    pub(crate) fn finished(&self, partials: LogicalPlan) -> Result<LogicalPlan> {
        let shown = self.aggregate.schema.iter().zip(self.computed()?);
        let shown = shown.map(|((qualifier, field), value)| {
            value.alias_qualified(qualifier.cloned(), field.name())
        });
        let mut columns: Vec<Expr> = shown.collect();
        columns.extend(self.hidden().into_iter().map(|(name, _)| col(name)));
        columns.push(lit(ScalarValue::Boolean(Some(true))).alias(SHOWN));
        let mut plan = LogicalPlanBuilder::from(partials)
            .project(columns)?
            .build()?;
        for node in &self.above {
            plan = self.placed(node, plan)?;
        }
        Ok(plan)
    }

    /// Puts a node of the query above the aggregate on another input, and lets the hidden columns through.
    fn placed(&self, node: &LogicalPlan, input: LogicalPlan) -> Result<LogicalPlan> {
        let hidden = self
            .hidden()
            .into_iter()
            .map(|(name, _)| found(input.schema(), &name));
        let hidden = hidden.collect::<Result<Vec<_>>>()?;
        let shown = found(input.schema(), SHOWN)?;
        Ok(match node {
            LogicalPlan::Projection(projection) => {
                let columns = projection.expr.iter().cloned().chain(hidden).chain([shown]);
                let columns: Vec<_> = columns.collect();
                LogicalPlanBuilder::from(input).project(columns)?.build()?
            }
            LogicalPlan::Filter(filter) => {
                let is_shown = Expr::IsTrue(Box::new(filter.predicate.clone())).and(shown);
                let others = input.schema().columns().into_iter();
                let others = others
                    .filter(|column| column.name != SHOWN)
                    .map(Expr::Column);
                let columns: Vec<_> = others.chain([is_shown.alias(SHOWN)]).collect();
                LogicalPlanBuilder::from(input).project(columns)?.build()?
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let named = LogicalPlanBuilder::from(input).alias(alias.alias.clone())?;
                named.build()?
            }
            _ => {
                return Err(Error::internal(
                    "a node above an aggregate that is not known",
                ));
            }
        })
    }
}

/// A hidden column in the scan of the stored rows.
fn kept_column(name: &str) -> Expr {
    Expr::Column(Column::new(Some("derived_table1"), name))
}

/// Finds a hidden column whatever it is qualified by.
fn found(schema: &DFSchema, name: &str) -> Result<Expr> {
    let mut fields = schema.iter();
    let field = fields.find(|(_, field)| field.name() == name);
    let field = field.ok_or_else(|| Error::internal(format!("there is no column {name}")))?;
    Ok(Expr::Column(Column::from(field)).alias(name))
}
