//! Blanks at the end of a text mean nothing when it is compared, grouped, joined or sorted; nor does the case of what
//! is case-insensitive.
//!
//! A column says whether any of its values ends with a blank (storage keeps a flag per row group), and what is
//! computed from it says the same as far as that is known. Only what may end with one is wrapped, in keys and
//! comparisons, in a function that takes them off; so a plan over clean columns does not change at all.
//! A key that was wrapped is no longer a plain column: such a join is not answered in place on the distribution
//! key, and equal values may lie on different slices. A comparison with a constant keeps a bound on the column
//! itself beside it, so that zone maps still work.
//!
//! A column of COLLATE CASE_INSENSITIVE, and what is computed from one, is wrapped in a function that takes both off;
//! COLLATE(text, ...) says so of any text.

mod expression;

use crate::function::folded::{folded, written};
use crate::function::semistructured::{Use, is_super};
use crate::function::unpadded::{self, unpadded};
use crate::types::is_case_insensitive;
use arrow_schema::Field;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, DFSchemaRef, Result, ScalarValue};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::{conjunction, grouping_set_to_exprlist, split_conjunction_owned};
use datafusion_expr::{
    Aggregate, AggregateUDF, Distinct, Expr, Filter, GroupingSet, LogicalPlan, Projection,
    SortExpr, TableScan, Values, Window, when,
};
use std::cell::OnceCell;
use std::sync::Arc;

/// Tells whether a column of a table, by its index in the table's schema, may hold a text that ends with a blank.
pub type MayBePadded<'a> = &'a dyn Fn(&TableScan, usize) -> bool;

/// Stack kept free, and taken when it is not: plans are as deep as a query has parts.
const RED_ZONE: usize = 128 * 1024;
const STACK_STEP: usize = 4 * 1024 * 1024;

/// What trimmed columns of subqueries are called; a user's name begins otherwise.
const COMPUTED: &str = "__unpadded_";

/// Makes a plan ignore blanks at the end of texts.
/// `least` is the engine's MIN: of values that count as one, a group shows the least. `first` is its FIRST_VALUE: what is
/// ordered without its case has its least and its greatest by it.
pub fn settle_blanks(
    plan: LogicalPlan,
    may_be_padded: MayBePadded<'_>,
    least: Arc<AggregateUDF>,
    first: Arc<AggregateUDF>,
) -> Result<LogicalPlan> {
    let mut walk = Walk {
        may_be_padded,
        least: Some(least),
        first: Some(first),
        outer: Vec::new(),
        columns: 0,
    };
    Ok(walk.plan(plan)?.0)
}

/// Makes an expression that names no column ignore blanks at the end of texts.
pub(super) fn settle_expr(expr: Expr) -> Result<Expr> {
    let mut walk = Walk {
        may_be_padded: &|_, _| true,
        least: None,
        first: None,
        outer: Vec::new(),
        columns: 0,
    };
    walk.expr(expr, &Scope::new(Vec::new()))
}

/// What comparisons must not see of a value; the greater one holds where two meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flag {
    /// Nothing: it is no text, or one without blanks at its end.
    Clean,
    /// Blanks at its end.
    Padded,
    /// These, and its case.
    Folded,
    /// How a SUPER is written: keys see its rank, and comparisons have been told before.
    Ranked,
}

impl Flag {
    /// What is not known of a field.
    fn of(field: &Field) -> Self {
        match can_be_padded(field) {
            true if is_case_insensitive(field) => Self::Folded,
            true => Self::Padded,
            false if is_super(field) => Self::Ranked,
            false => Self::Clean,
        }
    }

    /// Gives a value as comparisons see it.
    fn wrapped(self, expr: Expr) -> Expr {
        match self {
            Self::Clean => expr,
            Self::Padded => unpadded().call(vec![expr]),
            Self::Folded => folded().call(vec![expr]),
            Self::Ranked => Use::Rank.call(vec![expr]),
        }
    }
}

/// What comparisons must not see of each column of a plan.
type Flags = Vec<Flag>;

/// The columns an expression may name, and their flags.
struct Scope {
    parts: Vec<(DFSchemaRef, Flags)>,
    merged: OnceCell<DFSchema>,
}

impl Scope {
    fn new(parts: Vec<(DFSchemaRef, Flags)>) -> Self {
        Self {
            parts,
            merged: OnceCell::new(),
        }
    }

    fn schema(&self) -> &DFSchema {
        self.merged.get_or_init(|| {
            let mut merged = DFSchema::empty();
            for (schema, _) in &self.parts {
                merged.merge(schema);
            }
            merged
        })
    }

    fn flag(&self, column: &Column) -> Option<Flag> {
        self.parts.iter().find_map(|(schema, flags)| {
            let index = schema.maybe_index_of_column(column)?;
            flags.get(index).copied()
        })
    }

    /// Tells whether a column is a SUPER.
    fn has_super(&self) -> bool {
        let mut flags = self.parts.iter().flat_map(|(_, flags)| flags);
        flags.any(|flag| *flag == Flag::Ranked)
    }

    /// The flags of all columns, one input after the other.
    fn all(&self) -> Flags {
        let flags = self.parts.iter().flat_map(|(_, flags)| flags);
        flags.copied().collect()
    }
}

struct Walk<'a> {
    may_be_padded: MayBePadded<'a>,
    /// MIN, if there are plans to walk.
    least: Option<Arc<AggregateUDF>>,
    /// FIRST_VALUE, likewise.
    first: Option<Arc<AggregateUDF>>,
    /// What the queries around the one at hand may name, the outermost first.
    outer: Vec<Scope>,
    /// Columns named so far.
    columns: usize,
}

/// Tells whether a field is of a kind that may end with blanks.
fn can_be_padded(field: &Field) -> bool {
    field.data_type().is_string() && !is_super(field)
}

fn unknown(plan: &LogicalPlan) -> Flags {
    let fields = plan.schema().fields().iter();
    fields.map(|field| Flag::of(field)).collect()
}

/// Gives a plan without blanks at the end of the flagged columns, under their names.
fn trimmed(plan: LogicalPlan, flags: &[Flag]) -> Result<LogicalPlan> {
    let columns = plan.schema().iter().zip(flags);
    let exprs = columns.map(|((relation, field), flag)| {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        match flag {
            Flag::Clean | Flag::Ranked => column,
            flag => flag
                .wrapped(column)
                .alias_qualified(relation.cloned(), field.name()),
        }
    });
    let exprs = exprs.collect();
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

/// Gives the columns of `plan` the names they had in `before`.
fn renamed(plan: LogicalPlan, before: &DFSchema) -> Result<LogicalPlan> {
    let same = plan.schema().iter().zip(before.iter());
    // Which set of keys a row is of is the engine's own business, until it has planned GROUPING.
    let own = |field: &Field| field.name() == Aggregate::INTERNAL_GROUPING_ID;
    if same
        .into_iter()
        .all(|(new, old)| new.0 == old.0 && new.1.name() == old.1.name())
    {
        return Ok(plan);
    }
    let pairs = plan.schema().iter().zip(before.iter());
    let pairs = pairs.filter(|((_, field), _)| !own(field));
    let exprs = pairs.map(|((relation, field), (old_relation, old))| {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        match relation == old_relation && field.name() == old.name() {
            true => column,
            false => column.alias_qualified(old_relation.cloned(), old.name()),
        }
    });
    let exprs = exprs.collect();
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

impl Walk<'_> {
    fn plan(&mut self, plan: LogicalPlan) -> Result<(LogicalPlan, Flags)> {
        stacker::maybe_grow(RED_ZONE, STACK_STEP, || self.node(plan))
    }

    fn node(&mut self, plan: LogicalPlan) -> Result<(LogicalPlan, Flags)> {
        let mut parts = Vec::new();
        let plan = plan.map_children(|child| {
            let (child, flags) = self.plan(child)?;
            parts.push((Arc::clone(child.schema()), flags));
            Ok(Transformed::yes(child))
        })?;
        let scope = Scope::new(parts);
        match plan.data {
            LogicalPlan::TableScan(scan) => {
                let flags = self.scan(&scan);
                Ok((LogicalPlan::TableScan(scan), flags))
            }
            LogicalPlan::Values(values) => {
                let flags = self.values(&values, &scope);
                Ok((LogicalPlan::Values(values), flags))
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, &scope),
            LogicalPlan::Window(window) => self.window(window, &scope),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let flags = scope.all();
                if flags.iter().all(|flag| *flag == Flag::Clean) {
                    return Ok((LogicalPlan::Distinct(Distinct::All(input)), flags));
                }
                let keys = input.schema().columns().into_iter().map(Expr::Column);
                let keys = keys.collect::<Vec<_>>();
                let aggregate = Aggregate::try_new(input, keys, Vec::new())?;
                self.aggregate(aggregate, &scope)
            }
            LogicalPlan::Sort(mut sort) => {
                sort.expr = self.sort_keys(sort.expr, &scope)?;
                Ok((LogicalPlan::Sort(sort), scope.all()))
            }
            LogicalPlan::Filter(filter) => {
                let predicate = self.expr(filter.predicate, &scope)?;
                let parts = split_conjunction_owned(predicate).into_iter();
                let bounded = parts.flat_map(|part| {
                    let bound = expression::bound(&part);
                    std::iter::once(part).chain(bound)
                });
                let predicate = conjunction(bounded).unwrap_or_default();
                let plan = match self.outer.is_empty() {
                    true => LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?),
                    false => self.correlated(predicate, filter.input)?,
                };
                Ok((plan, scope.all()))
            }
            LogicalPlan::Join(mut join) => {
                let on = std::mem::take(&mut join.on).into_iter();
                let on = on.map(|(left, right)| {
                    let (left, right) = (self.expr(left, &scope)?, self.expr(right, &scope)?);
                    self.pair(left, right, &scope)
                });
                join.on = on.collect::<Result<_>>()?;
                let filter = join.filter.take().map(|filter| self.expr(filter, &scope));
                join.filter = filter.transpose()?;
                let fields = join.schema.iter().map(|(relation, field)| {
                    let column = Column::new(relation.cloned(), field.name());
                    match scope.flag(&column) {
                        Some(flag) if can_be_padded(field) || is_super(field) => flag,
                        _ => Flag::of(field),
                    }
                });
                let flags = fields.collect();
                Ok((LogicalPlan::Join(join), flags))
            }
            LogicalPlan::Projection(projection) => {
                let flags = projection.expr.iter();
                let flags = flags.map(|expr| self.flag(expr, &scope)).collect::<Flags>();
                let names = NamePreserver::new_for_projection();
                let exprs = projection.expr.into_iter().map(|expr| {
                    let name = names.save(&expr);
                    Ok(name.restore(self.expr(expr, &scope)?))
                });
                let exprs = exprs.collect::<Result<_>>()?;
                let projection =
                    Projection::try_new_with_schema(exprs, projection.input, projection.schema)?;
                Ok((LogicalPlan::Projection(projection), flags))
            }
            LogicalPlan::Union(union) => {
                let width = union.schema.fields().len();
                let flags = (0..width).map(|column| {
                    let inputs = scope.parts.iter();
                    let flags = inputs.filter_map(|(_, flags)| flags.get(column).copied());
                    flags.max().unwrap_or(Flag::Padded)
                });
                let flags = flags.collect();
                Ok((LogicalPlan::Union(union), flags))
            }
            plan @ (LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Repartition(_)) => Ok((plan, scope.all())),
            plan => {
                let flags = unknown(&plan);
                let names = NamePreserver::new(&plan);
                let plan = plan.map_expressions(|expr| {
                    let name = names.save(&expr);
                    Ok(Transformed::yes(name.restore(self.expr(expr, &scope)?)))
                })?;
                Ok((plan.data, flags))
            }
        }
    }

    /// Filters rows of a subquery. The engine joins a correlated subquery with an aggregate only if it compares plain
    /// columns with those of the query around it, so what is trimmed becomes a column first.
    fn correlated(&mut self, predicate: Expr, input: Arc<LogicalPlan>) -> Result<LogicalPlan> {
        let mut computed = Vec::new();
        let parts = split_conjunction_owned(predicate).into_iter();
        let parts = parts.map(|part| {
            if !part.contains_outer() {
                return Ok(part);
            }
            let part = part.transform_down(|expr| match &expr {
                Expr::ScalarFunction(function)
                    if function.name() == unpadded::NAME && !expr.contains_outer() =>
                {
                    self.columns += 1;
                    let name = format!("{COMPUTED}{}", self.columns);
                    computed.push(expr.alias(&name));
                    let column = Expr::Column(Column::new_unqualified(name));
                    Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
                }
                _ => Ok(Transformed::no(expr)),
            });
            Ok(part?.data)
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let predicate = conjunction(parts).unwrap_or_default();
        if computed.is_empty() {
            return Filter::try_new(predicate, input).map(LogicalPlan::Filter);
        }
        let columns = input.schema().columns().into_iter().map(Expr::Column);
        let columns: Vec<Expr> = columns.collect();
        let with = columns.iter().cloned().chain(computed).collect();
        let with = Projection::try_new(with, input).map(LogicalPlan::Projection)?;
        let filter = Filter::try_new(predicate, Arc::new(with)).map(LogicalPlan::Filter)?;
        Projection::try_new(columns, Arc::new(filter)).map(LogicalPlan::Projection)
    }

    fn scan(&self, scan: &TableScan) -> Flags {
        let fields = scan.projected_schema.fields().iter().enumerate();
        let flags = fields.map(|(place, field)| {
            let index = match &scan.projection {
                Some(projection) => projection.get(place).copied().unwrap_or(place),
                None => place,
            };
            match Flag::of(field) {
                Flag::Padded if !(self.may_be_padded)(scan, index) => Flag::Clean,
                flag => flag,
            }
        });
        flags.collect()
    }

    fn values(&self, values: &Values, scope: &Scope) -> Flags {
        let mut flags = vec![Flag::Clean; values.schema.fields().len()];
        for row in &values.values {
            for (flag, expr) in flags.iter_mut().zip(row) {
                *flag = self.flag(expr, scope).max(*flag);
            }
        }
        flags
    }

    fn aggregate(&mut self, aggregate: Aggregate, scope: &Scope) -> Result<(LogicalPlan, Flags)> {
        let before = Arc::clone(&aggregate.schema);
        let groups = aggregate.group_expr.into_iter();
        let groups = groups.map(|group| self.expr(group, scope));
        let groups = groups.collect::<Result<Vec<_>>>()?;
        // The keys that are columns, and may be padded, in the order of the result.
        let keys = grouping_set_to_exprlist(&groups)?;
        let mut flags: Flags = keys.iter().map(|key| self.flag(key, scope)).collect();
        let shown = keys.iter().zip(&flags).map(|(key, flag)| {
            let least = self.least.as_ref().filter(|_| *flag != Flag::Clean)?;
            let is_shown = matches!(key, Expr::Column(_)) || *flag >= Flag::Folded;
            is_shown.then(|| least.call(vec![(*key).clone()]))
        });
        let shown: Vec<Option<Expr>> = shown.collect();
        // A key that is computed is shown without its blanks.
        for (flag, shown) in flags.iter_mut().zip(&shown) {
            if shown.is_none() && *flag == Flag::Padded {
                *flag = Flag::Clean;
            }
        }
        let calls = aggregate.aggr_expr.into_iter().map(|call| {
            let call = self.expr(call, scope)?;
            self.call(call, scope)
        });
        let calls = calls.collect::<Result<Vec<_>>>()?;
        let padded = calls.iter().map(|call| self.flag(call, scope));
        let padded: Flags = padded.collect();
        let is_set = matches!(groups.as_slice(), [Expr::GroupingSet(_)]);
        let groups: Vec<Expr> = groups
            .into_iter()
            .map(|group| self.group(group, scope))
            .collect();
        flags.extend(padded);
        let mut all = calls.clone();
        for least in shown.iter().flatten() {
            if !all.contains(least) {
                all.push(least.clone());
            }
        }
        let extra = all.len() > calls.len();
        let aggregate = Aggregate::try_new(aggregate.input, groups, all)?;
        let plan = LogicalPlan::Aggregate(aggregate);
        if !extra && shown.iter().all(Option::is_none) {
            let plan = renamed(plan, &before)?;
            if plan.schema().fields().len() > flags.len() {
                // Which set of keys a row is of stands between keys and calls.
                flags.insert(shown.len(), Flag::Clean);
            }
            return Ok((plan, flags));
        }
        // Keys as they are stored, then the calls, under the names that they had.
        let own = |field: &Field| field.name() == Aggregate::INTERNAL_GROUPING_ID;
        let columns = plan.schema().columns();
        let columns: Vec<Column> = columns
            .into_iter()
            .filter(|column| column.name != Aggregate::INTERNAL_GROUPING_ID)
            .collect();
        let names = before.iter().filter(|(_, field)| !own(field));
        let exprs = names.zip(&columns).enumerate();
        let exprs = exprs.map(|(place, ((relation, field), column))| {
            let column = Expr::Column(column.clone());
            let value = match shown.get(place) {
                Some(Some(least)) => {
                    let least =
                        Expr::Column(Column::new_unqualified(least.schema_name().to_string()));
                    let least = match flags.get(place) {
                        // Its note is lost in the aggregate.
                        Some(Flag::Ranked) => Use::Raw.call(vec![least]),
                        _ => least,
                    };
                    match is_set {
                        // A key that the set of a row lacks is null.
                        true => when(
                            column.is_null(),
                            Expr::Literal(ScalarValue::try_from(field.data_type())?, None),
                        )
                        .otherwise(least)?,
                        false => least,
                    }
                }
                _ => column,
            };
            Ok(value.alias_qualified(relation.cloned(), field.name()))
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let plan = Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)?;
        Ok((plan, flags))
    }

    fn window(&mut self, window: Window, scope: &Scope) -> Result<(LogicalPlan, Flags)> {
        let before = Arc::clone(&window.schema);
        let mut flags = scope.all();
        let width = flags.len();
        let mut ordered = Vec::new();
        let calls = window
            .window_expr
            .into_iter()
            .enumerate()
            .map(|(place, call)| {
                flags.push(self.flag(&call, scope));
                if self.is_ordered(&call, scope) {
                    ordered.push(width + place);
                }
                let call = self.expr(call, scope)?;
                self.call(call, scope)
            });
        let calls = calls.collect::<Result<Vec<_>>>()?;
        let plan = LogicalPlan::Window(Window::try_new(calls, window.input)?);
        if ordered.is_empty() {
            return Ok((renamed(plan, &before)?, flags));
        }
        let columns = plan.schema().columns().into_iter().map(Expr::Column);
        let exprs = columns.zip(before.iter()).enumerate();
        let exprs = exprs.map(|(place, (column, (relation, field)))| {
            let value = match ordered.contains(&place) {
                true => written().call(vec![column]),
                false => column,
            };
            value.alias_qualified(relation.cloned(), field.name())
        });
        let plan = Projection::try_new(exprs.collect::<Vec<_>>(), Arc::new(plan))?;
        Ok((LogicalPlan::Projection(plan), flags))
    }

    fn group(&self, group: Expr, scope: &Scope) -> Expr {
        let each = |exprs: Vec<Expr>| {
            let exprs = exprs.into_iter().map(|expr| self.key(expr, scope));
            exprs.collect::<Vec<_>>()
        };
        match group {
            Expr::GroupingSet(set) => Expr::GroupingSet(match set {
                GroupingSet::Rollup(exprs) => GroupingSet::Rollup(each(exprs)),
                GroupingSet::Cube(exprs) => GroupingSet::Cube(each(exprs)),
                GroupingSet::GroupingSets(sets) => {
                    GroupingSet::GroupingSets(sets.into_iter().map(each).collect())
                }
            }),
            other => self.key(other, scope),
        }
    }

    fn sort_keys(&mut self, keys: Vec<SortExpr>, scope: &Scope) -> Result<Vec<SortExpr>> {
        let keys = keys.into_iter().map(|mut key| {
            key.expr = self.expr(key.expr, scope)?;
            key.expr = self.key(key.expr, scope);
            Ok(key)
        });
        keys.collect()
    }
}
