//! What a bound query is but for the constants its columns are compared with.

use crate::planner::options::options_of;
use arrow_schema::{DataType, FieldRef};
use blueshift_compute::scan::StoredTable;
use blueshift_sql::function::session::SessionOptions;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Distinct, Expr, LogicalPlan, Operator, ScalarUDF, TableScan,
    Volatility,
};
use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Nodes of a plan: deeper ones are rarely asked often.
const NODES_MAX: usize = 16;
/// Parts of the expressions of a plan.
const PARTS_MAX: usize = 256;

/// Functions whose only argument is a constant in the words of a type. They give the same under the same settings,
/// which are part of a shape.
const READERS: [&str; 3] = [
    "blueshift_read_date",
    "blueshift_read_timestamp",
    "blueshift_read_time",
];

/// A comparison of a column with a constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    /// The name of the column.
    pub column: String,
    /// How, with the column on the left.
    pub operator: Operator,
    /// With what, as the query has it.
    pub value: ScalarValue,
}

/// A query without those constants. Two of the same key, functions and table mean the same but for them.
pub(super) struct Shape {
    /// All that was hashed of it, so that nothing is left to compare.
    pub key: Vec<u8>,
    /// The functions it calls, in order: their hashes may tell less than they are.
    pub functions: Vec<Function>,
    /// The only table.
    pub table: StoredTable,
    /// The constants, in order.
    pub comparisons: Vec<Comparison>,
}

/// A function that a query calls.
#[derive(Clone, PartialEq)]
pub(super) enum Function {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
}

impl Shape {
    /// Reads a bound query; `None` if its plan cannot serve others: it reads another number of tables than one, or what
    /// has no versions, or calls what gives something else each time, or compares no column with a constant.
    pub(super) fn of(state: &SessionState, bound: &LogicalPlan) -> Option<Self> {
        let config = state.config_options();
        let switches = options_of(config);
        // Where memory is short, plans are made otherwise.
        if !switches.plan_cache || switches.hash_join_bytes == 0 {
            return None;
        }
        let mut reader = Reader::default();
        switches.comfort.hash(&mut reader.key);
        config.execution.time_zone.hash(&mut reader.key);
        let session = config.extensions.get::<SessionOptions>()?;
        session.date_order.hash(&mut reader.key);
        session.json_null_on_error.hash(&mut reader.key);
        session.json_dedup.hash(&mut reader.key);
        reader.node(bound)?;
        let table = reader.table?;
        let is_asked = !reader.comparisons.is_empty();
        is_asked.then_some(Self {
            key: reader.key.0,
            functions: reader.functions,
            table,
            comparisons: reader.comparisons,
        })
    }
}

/// Writes down what is hashed.
#[derive(Default)]
struct Key(Vec<u8>);

impl Hasher for Key {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[derive(Default)]
struct Reader {
    key: Key,
    functions: Vec<Function>,
    table: Option<StoredTable>,
    comparisons: Vec<Comparison>,
    nodes: usize,
    parts: usize,
}

impl Reader {
    fn node(&mut self, plan: &LogicalPlan) -> Option<()> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return None;
        }
        let key = &mut self.key;
        match plan {
            LogicalPlan::Projection(projection) => {
                key.write_u8(1);
                self.all(&projection.expr)?;
                self.node(&projection.input)
            }
            LogicalPlan::Filter(filter) => {
                key.write_u8(2);
                self.look_at(&filter.predicate)?;
                self.condition(&filter.predicate);
                self.node(&filter.input)
            }
            LogicalPlan::Aggregate(aggregate) => {
                key.write_u8(3);
                self.all(&aggregate.group_expr)?;
                self.all(&aggregate.aggr_expr)?;
                self.node(&aggregate.input)
            }
            LogicalPlan::Sort(sort) => {
                key.write_u8(4);
                sort.fetch.hash(key);
                key.write_usize(sort.expr.len());
                for one in &sort.expr {
                    (one.asc, one.nulls_first).hash(&mut self.key);
                    self.verbatim(&one.expr)?;
                }
                self.node(&sort.input)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                key.write_u8(5);
                alias.alias.hash(key);
                self.node(&alias.input)
            }
            LogicalPlan::Limit(limit) => {
                key.write_u8(6);
                let bounds = [&limit.skip, &limit.fetch].into_iter();
                for bound in bounds.map(Option::as_deref) {
                    self.key.write_u8(bound.is_some().into());
                    bound.map_or(Some(()), |bound| self.verbatim(bound))?;
                }
                self.node(&limit.input)
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                key.write_u8(7);
                self.node(input)
            }
            LogicalPlan::TableScan(scan) => self.scan(scan),
            _ => None,
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Option<()> {
        self.key.write_u8(8);
        scan.table_name.hash(&mut self.key);
        scan.projection.hash(&mut self.key);
        if !scan.filters.is_empty() || scan.fetch.is_some() || self.table.is_some() {
            return None;
        }
        let provider = source_as_provider(&scan.source).ok()?;
        let provider: &dyn Any = provider.as_ref();
        let stored = provider.downcast_ref::<StoredTable>()?;
        self.table = (!stored.row_ids).then(|| stored.clone());
        self.table.is_some().then_some(())
    }

    /// Takes expressions as they are.
    fn all(&mut self, exprs: &[Expr]) -> Option<()> {
        self.key.write_usize(exprs.len());
        exprs.iter().try_for_each(|expr| self.verbatim(expr))
    }

    fn verbatim(&mut self, expr: &Expr) -> Option<()> {
        self.look_at(expr)?;
        expr.hash(&mut self.key);
        Some(())
    }

    /// Notes the functions of an expression; `None` if it may give something else the next time, or holds too much.
    fn look_at(&mut self, expr: &Expr) -> Option<()> {
        let unfit = expr.exists(|part| Ok(!self.is_fit(part)));
        unfit.is_ok_and(|unfit| !unfit).then_some(())
    }

    fn is_fit(&mut self, part: &Expr) -> bool {
        self.parts += 1;
        self.parts <= PARTS_MAX
            && match part {
                Expr::ScalarFunction(ScalarFunction { func, .. }) => {
                    self.functions.push(Function::Scalar(Arc::clone(func)));
                    func.signature().volatility == Volatility::Immutable
                        || READERS.contains(&func.name())
                }
                Expr::AggregateFunction(AggregateFunction { func, .. }) => {
                    self.functions.push(Function::Aggregate(Arc::clone(func)));
                    func.signature().volatility == Volatility::Immutable
                }
                Expr::Alias(_)
                | Expr::Column(_)
                | Expr::Literal(..)
                | Expr::BinaryExpr(_)
                | Expr::Like(_)
                | Expr::SimilarTo(_)
                | Expr::Not(_)
                | Expr::IsNotNull(_)
                | Expr::IsNull(_)
                | Expr::IsTrue(_)
                | Expr::IsFalse(_)
                | Expr::IsUnknown(_)
                | Expr::IsNotTrue(_)
                | Expr::IsNotFalse(_)
                | Expr::IsNotUnknown(_)
                | Expr::Negative(_)
                | Expr::Between(_)
                | Expr::Case(_)
                | Expr::Cast(_)
                | Expr::TryCast(_)
                | Expr::InList(_) => true,
                _ => false,
            }
    }

    /// Takes a condition without the constants that its columns are compared with.
    fn condition(&mut self, expr: &Expr) {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if matches!(op, Operator::And | Operator::Or) =>
            {
                self.key.write_u8(1);
                op.hash(&mut self.key);
                self.condition(left);
                self.condition(right);
            }
            Expr::Between(between) if !between.negated => {
                self.key.write_u8(2);
                self.compare(&between.expr, Operator::GtEq, &between.low);
                self.compare(&between.expr, Operator::LtEq, &between.high);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                self.key.write_u8(3);
                match op.swap().filter(|_| column_of(right).is_some()) {
                    Some(swapped) if column_of(left).is_none() => {
                        self.compare(right, swapped, left);
                    }
                    _ => self.compare(left, *op, right),
                }
            }
            _ => {
                self.key.write_u8(4);
                expr.hash(&mut self.key);
            }
        }
    }

    /// Takes a comparison, as it is if it is none of a column with a constant.
    fn compare(&mut self, left: &Expr, operator: Operator, right: &Expr) {
        operator.hash(&mut self.key);
        left.hash(&mut self.key);
        let column = column_of(left).filter(|_| is_comparison(operator));
        let constant = column.zip(constant_of(right));
        let Some((column, (value, reader))) = constant else {
            self.key.write_u8(0);
            right.hash(&mut self.key);
            return;
        };
        self.key.write_u8(1);
        value.data_type().hash(&mut self.key);
        reader.hash(&mut self.key);
        self.comparisons.push(Comparison {
            column: column.to_owned(),
            operator,
            value: value.clone(),
        });
    }
}

pub(super) fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
    )
}

/// The column that is compared, as another type at most.
fn column_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(cast) => column_of(&cast.expr),
        _ => None,
    }
}

/// How a constant is read: as another type, or by a function.
type Reading<'a> = (Option<&'a FieldRef>, Option<&'a str>);

/// The constant compared with, and how it is read.
fn constant_of(expr: &Expr) -> Option<(&ScalarValue, Reading<'_>)> {
    match expr {
        Expr::Literal(value, None) if is_exact(value) => Some((value, (None, None))),
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Literal(value, None) if is_exact(value) => {
                Some((value, (Some(&cast.field), None)))
            }
            _ => None,
        },
        Expr::ScalarFunction(call) if READERS.contains(&call.func.name()) => {
            match call.args.as_slice() {
                [Expr::Literal(value, None)] if is_exact(value) => {
                    Some((value, (None, Some(call.func.name()))))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Tells whether a value is there, and of a type that is written in one way only. Blanks at the end of a text are of no
/// account, and taken off when it is planned.
fn is_exact(value: &ScalarValue) -> bool {
    if let Some(Some(text)) = value.try_as_str() {
        return !text.ends_with(' ');
    }
    let ty = value.data_type();
    let fits = ty.is_integer()
        || matches!(
            ty,
            DataType::Decimal128(..) | DataType::Date32 | DataType::Timestamp(..)
        );
    fits && !value.is_null()
}
