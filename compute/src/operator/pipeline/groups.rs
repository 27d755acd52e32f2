//! What a pipeline knows of its groups: their keys, and what their rows add up to.

use super::keys::{Keys, Way, is_key};
use super::lanes::VECTOR_ROWS;
use super::program::{Program, Register};
use super::total::{Counts, Extreme, Present, Rows, Total};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use arrow_schema::DataType;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use std::sync::Arc;

/// What is done with the rows of the input, made once for all partitions.
#[derive(Debug, Default)]
pub(super) struct Work {
    program: Program,
    /// The leaves that are keys, and their types.
    keys: Vec<(usize, DataType)>,
    totals: Vec<SumWork>,
    aggregates: Vec<(Arc<AggregateFunctionExpr>, AggregateWork)>,
    /// Whether the input are states of aggregates, not rows.
    merges: bool,
}

/// Sums that SUM and AVG may share.
#[derive(Debug)]
struct SumWork {
    register: usize,
    ty: DataType,
    /// What the register is.
    expr: Arc<dyn PhysicalExpr>,
}

/// How an aggregate is computed.
#[derive(Debug)]
enum AggregateWork {
    /// The place among the totals.
    Total(usize),
    /// Of all rows, or of those where a leaf is not null.
    Count(Option<usize>),
    /// The least or the greatest value of a register.
    Extreme {
        register: usize,
        is_greatest: bool,
        ty: DataType,
        /// What the register is.
        expr: Arc<dyn PhysicalExpr>,
    },
    /// By the engine, of these leaves.
    Other(Vec<usize>),
}

impl Work {
    /// Plans the work over rows of a schema; `None` if a key is of a type that is not known here.
    pub(super) fn new(keys: &[Arc<dyn PhysicalExpr>], schema: &Schema) -> Result<Option<Self>> {
        let mut work = Self::default();
        for key in keys {
            let ty = key.data_type(schema)?;
            if !is_key(&ty) {
                return Ok(None);
            }
            let leaf = work.program.leaf(key);
            work.keys.push((leaf, ty));
        }
        Ok(Some(work))
    }

    /// Adds an aggregate of these arguments, which are expressions over the input.
    pub(super) fn aggregate(
        &mut self,
        function: &Arc<AggregateFunctionExpr>,
        arguments: &[Arc<dyn PhysicalExpr>],
        schema: &Schema,
    ) -> Result<()> {
        let work = match arguments {
            [argument] if !function.is_distinct() => self.known(function, argument, schema)?,
            _ => None,
        };
        let work = work.unwrap_or_else(|| {
            let leaves = arguments.iter().map(|of| self.program.leaf(of));
            AggregateWork::Other(leaves.collect())
        });
        self.aggregates.push((Arc::clone(function), work));
        Ok(())
    }

    /// Adds an aggregate whose states are `count` columns of the input, from `first` on.
    pub(super) fn merge(
        &mut self,
        function: &Arc<AggregateFunctionExpr>,
        (first, count): (usize, usize),
        schema: &Schema,
    ) {
        self.merges = true;
        let columns = schema.fields().iter().enumerate().skip(first).take(count);
        let leaves = columns.map(|(index, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
            self.program.leaf(&column)
        });
        let work = AggregateWork::Other(leaves.collect());
        self.aggregates.push((Arc::clone(function), work));
    }

    /// Finds how an aggregate of one argument is computed here; `None` if it is left to the engine.
    fn known(
        &mut self,
        function: &AggregateFunctionExpr,
        argument: &Arc<dyn PhysicalExpr>,
        schema: &Schema,
    ) -> Result<Option<AggregateWork>> {
        let states = function.state_fields()?;
        let states: Vec<&DataType> = states.iter().map(|field| field.data_type()).collect();
        let ty = argument.data_type(schema)?;
        let is_number = matches!(
            ty,
            DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Decimal128(_, _)
        );
        Ok(match (function.fun().name(), states.as_slice()) {
            ("sum" | "avg", [DataType::Int64, total]) if is_number => {
                let Some(register) = self.program.register(argument, schema) else {
                    return Ok(None);
                };
                self.total(register, total, argument)
                    .map(AggregateWork::Total)
            }
            ("count", [DataType::Int64]) => match argument.downcast_ref::<Literal>() {
                Some(literal) if literal.value().is_null() => None,
                Some(_) => Some(AggregateWork::Count(None)),
                None => Some(AggregateWork::Count(Some(self.program.leaf(argument)))),
            },
            (name @ ("min" | "max"), [only]) if **only == ty && keeps_its_values(argument, &ty) => {
                let register = self.program.register(argument, schema);
                register.map(|register| AggregateWork::Extreme {
                    register,
                    is_greatest: name == "max",
                    ty,
                    expr: Arc::clone(argument),
                })
            }
            _ => None,
        })
    }

    fn total(
        &mut self,
        register: usize,
        ty: &DataType,
        expr: &Arc<dyn PhysicalExpr>,
    ) -> Option<usize> {
        let mut known = self.totals.iter();
        if let Some(at) = known.position(|sum| sum.register == register && sum.ty == *ty) {
            return Some(at);
        }
        Total::new(register, ty.clone())?;
        self.totals.push(SumWork {
            register,
            ty: ty.clone(),
            expr: Arc::clone(expr),
        });
        Some(self.totals.len() - 1)
    }

    /// Tells whether all of it is done here, and more than reading columns: then it is worth it also without keys. The
    /// engine's accumulators of many groups know none without rows.
    pub(super) fn computes_all(&self) -> bool {
        let mut works = self.aggregates.iter().map(|(_, work)| work);
        self.program.computed() > 0 && !works.any(|of| matches!(of, AggregateWork::Other(_)))
    }

    /// What the engine computes.
    pub(super) fn leaves(&self) -> &[Arc<dyn PhysicalExpr>] {
        self.program.leaves()
    }

    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// Tells whether all values of a type fit into a register: what the engine computes in a decimal may have more digits
/// than its type.
fn keeps_its_values(argument: &Arc<dyn PhysicalExpr>, ty: &DataType) -> bool {
    match ty {
        DataType::Decimal128(precision, _) => *precision <= 18 && argument.is::<Column>(),
        _ => true,
    }
}

/// The groups of one partition.
pub(super) struct Groups {
    work: Arc<Work>,
    keys: Keys,
    registers: Vec<Register>,
    counts: Counts,
    totals: Vec<Total>,
    extremes: Vec<Extreme>,
    present: Vec<Present>,
    others: Vec<Box<dyn GroupsAccumulator>>,
}

impl Groups {
    pub(super) fn new(work: Arc<Work>, way: Way) -> Result<Self> {
        let types = work.keys.iter().map(|(_, ty)| ty.clone()).collect();
        let totals = work.totals.iter();
        let totals = totals.filter_map(|sum| Total::new(sum.register, sum.ty.clone()));
        let mut groups = Self {
            keys: Keys::new(types, way),
            registers: work.program.registers(),
            counts: Counts::default(),
            totals: totals.collect(),
            extremes: Vec::new(),
            present: Vec::new(),
            others: Vec::new(),
            work: Arc::clone(&work),
        };
        for (function, aggregate) in &work.aggregates {
            match aggregate {
                AggregateWork::Total(_) => {}
                AggregateWork::Count(_) => groups.present.push(Present::default()),
                AggregateWork::Extreme {
                    register,
                    is_greatest,
                    ty,
                    ..
                } => groups
                    .extremes
                    .push(Extreme::new(*register, *is_greatest, ty.clone())),
                AggregateWork::Other(_) => {
                    groups.others.push(function.create_groups_accumulator()?);
                }
            }
        }
        Ok(groups)
    }

    /// Counts the groups.
    pub(super) fn count(&self) -> usize {
        self.keys.count()
    }

    pub(super) fn way(&self) -> Way {
        self.keys.way()
    }

    /// Finds groups another way from now on; there must be none.
    pub(super) fn set_way(&mut self, way: Way) {
        self.keys.set_way(way);
    }

    /// Adds the rows of a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let work = Arc::clone(&self.work);
        let rows = batch.num_rows();
        let leaves = work.program.leaves().iter();
        let leaves = leaves.map(|leaf| leaf.evaluate(batch)?.into_array(rows));
        let leaves: Vec<ArrayRef> = leaves.collect::<Result<_>>()?;
        let columns = work.keys.iter().filter_map(|(leaf, _)| leaves.get(*leaf));
        let columns: Vec<ArrayRef> = columns.cloned().collect();
        let absent: Vec<_> = leaves.iter().map(|leaf| leaf.logical_nulls()).collect();
        self.keys.begin_batch();
        work.program.begin_batch(&leaves, &mut self.registers);
        let mut numbers = Vec::new();
        for from in (0..rows).step_by(VECTOR_ROWS) {
            let count = VECTOR_ROWS.min(rows - from);
            let fits = work.program.run(&leaves, from, count, &mut self.registers);
            self.keys.number(&columns, from, count)?;
            if !self.others.is_empty() {
                numbers.extend(self.keys.numbers().iter().map(|number| *number as usize));
            }
            let exact = (!fits).then(|| batch.slice(from, count));
            self.add_vector(from, exact.as_ref())?;
            let vector = Rows {
                numbers: self.keys.numbers(),
                from,
                groups: self.keys.count(),
            };
            self.counts.add(vector);
            let counted = work.aggregates.iter().filter_map(|(_, of)| match of {
                AggregateWork::Count(leaf) => Some(*leaf),
                _ => None,
            });
            for (present, leaf) in self.present.iter_mut().zip(counted) {
                let nulls = leaf
                    .and_then(|leaf| absent.get(leaf))
                    .and_then(Option::as_ref);
                present.add(vector, nulls);
            }
        }
        self.add_others(&leaves, &numbers)
    }

    /// Adds the values of the registers, or, where some do not fit, those the engine computes of `exact`.
    fn add_vector(&mut self, from: usize, exact: Option<&RecordBatch>) -> Result<()> {
        let vector = Rows {
            numbers: self.keys.numbers(),
            from,
            groups: self.keys.count(),
        };
        for (at, total) in self.totals.iter_mut().enumerate() {
            let fits = match (exact, self.work.totals.get(at)) {
                (Some(batch), Some(sum)) => {
                    let column = sum.expr.evaluate(batch)?.into_array(batch.num_rows())?;
                    total.add_column(vector, &column)?
                }
                _ => match self.registers.get(total.register) {
                    Some(register) => total.add(vector, register),
                    None => true,
                },
            };
            if !fits {
                return Err(self.work.overflow(at, &total.overflowing()));
            }
        }
        let exprs = self.work.aggregates.iter().filter_map(|(_, of)| match of {
            AggregateWork::Extreme { expr, .. } => Some(expr),
            _ => None,
        });
        for (extreme, expr) in self.extremes.iter_mut().zip(exprs) {
            match (exact, self.registers.get(extreme.register)) {
                (None, Some(register)) => extreme.add(vector, register),
                (Some(batch), _) => {
                    let column = expr.evaluate(batch)?.into_array(batch.num_rows())?;
                    let register = Register::of(&column)?;
                    extreme.add(Rows { from: 0, ..vector }, &register);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn add_others(&mut self, leaves: &[ArrayRef], numbers: &[usize]) -> Result<()> {
        let groups = self.keys.count();
        let arguments = self.work.aggregates.iter().filter_map(|(_, of)| match of {
            AggregateWork::Other(leaves) => Some(leaves),
            _ => None,
        });
        for (other, arguments) in self.others.iter_mut().zip(arguments) {
            let arguments = arguments.iter().filter_map(|leaf| leaves.get(*leaf));
            let arguments: Vec<ArrayRef> = arguments.cloned().collect();
            match self.work.merges {
                true => other.merge_batch(&arguments, numbers, groups)?,
                false => other.update_batch(&arguments, numbers, None, groups)?,
            }
        }
        Ok(())
    }

    /// Gives keys and aggregates of the first `count` groups, the aggregates as `states` to be merged or as results, and
    /// forgets these groups: all, or, of runs, all but the last.
    pub(super) fn take(&mut self, count: usize, states: bool) -> Result<Vec<ArrayRef>> {
        let emit = match count < self.count() {
            true => EmitTo::First(count),
            false => EmitTo::All,
        };
        let mut columns = self.keys.take(count)?;
        let (mut extremes, mut present) = (self.extremes.iter(), self.present.iter());
        let mut others = self.others.iter_mut();
        for (function, aggregate) in &self.work.aggregates {
            let known = match aggregate {
                AggregateWork::Total(at) => match self.totals.get(*at) {
                    Some(total) => total.first(count, &self.counts)?,
                    None => Vec::new(),
                },
                AggregateWork::Count(_) => {
                    let present = present.next().map(|of| of.first(count, &self.counts));
                    present.into_iter().collect()
                }
                AggregateWork::Extreme { .. } => {
                    let extreme = extremes.next().map(|of| of.first(count, &self.counts));
                    extreme.into_iter().collect::<Result<_>>()?
                }
                AggregateWork::Other(_) => {
                    let other = others.next();
                    let other =
                        other.ok_or_else(|| internal_datafusion_err!("an aggregate less"))?;
                    match states {
                        true => columns.extend(other.state(emit)?),
                        false => columns.push(other.evaluate(emit)?),
                    }
                    continue;
                }
            };
            match states {
                true => columns.extend(known),
                false => columns.push(finished(function, &known, count)?),
            }
        }
        self.totals.iter_mut().for_each(|of| of.drop_first(count));
        self.extremes.iter_mut().for_each(|of| of.drop_first(count));
        self.present.iter_mut().for_each(|of| of.drop_first(count));
        self.counts.drop_first(count);
        Ok(columns)
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        let totals: usize = self.totals.iter().map(Total::size).sum();
        let extremes: usize = self.extremes.iter().map(Extreme::size).sum();
        let present: usize = self.present.iter().map(Present::size).sum();
        let others: usize = self.others.iter().map(|other| other.size()).sum();
        self.keys.size() + self.counts.size() + totals + extremes + present + others
    }
}

impl Work {
    /// Gives the error of the engine for a sum that overflowed.
    fn overflow(&self, total: usize, states: &[ArrayRef]) -> DataFusionError {
        let function = self.aggregates.iter().find_map(|(function, of)| match of {
            AggregateWork::Total(at) if *at == total => Some(function),
            _ => None,
        });
        let merged = function.map(|function| {
            let mut sum = function.create_groups_accumulator()?;
            sum.merge_batch(states, &[0, 0], 1)
        });
        match merged {
            Some(Err(error)) => error,
            _ => internal_datafusion_err!("a sum overflowed here only"),
        }
    }
}

/// Gives the results of states, one for each group.
fn finished(
    function: &AggregateFunctionExpr,
    states: &[ArrayRef],
    count: usize,
) -> Result<ArrayRef> {
    let mut finish = function.create_groups_accumulator()?;
    let numbers: Vec<usize> = (0..count).collect();
    finish.merge_batch(states, &numbers, count)?;
    finish.evaluate(EmitTo::All)
}
