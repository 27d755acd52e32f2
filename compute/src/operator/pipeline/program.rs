//! Expressions of a pipeline, computed a vector of rows at a time in 64-bit integers.
//!
//! `+`, `-` and `*` of whole numbers and decimals are known here; every other expression is a *leaf*, which the engine
//! computes for a whole batch. A step first looks how many bits its operands have: where no result can overflow, as is
//! nearly always so, nothing is checked per value. Where one does, the rows of the vector are left to the engine, whose
//! answer or error it is then.

use super::lanes::{is_whole, load};
use crate::operator::small_decimal::SmallDecimalExpr;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Decimal128Type, Schema};
use arrow_schema::DataType;
use blueshift_sql::function::exact::operator as operator_of;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use std::sync::Arc;

type Expression = Arc<dyn PhysicalExpr>;

/// Bits of a value beside its sign.
const BITS_MAX: u32 = 63;

/// Steps that compute registers. See the module.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// What the engine computes, on the columns of the input.
    leaves: Vec<Expression>,
    steps: Vec<Step>,
    known: Vec<(Expression, Operand)>,
}

/// What one register is filled with.
#[derive(Debug)]
enum Step {
    Leaf(usize),
    Compute {
        operator: Operator,
        left: Operand,
        right: Operand,
        /// What a value of the result's type has at most.
        bits: u32,
    },
}

#[derive(Clone, Copy, Debug)]
enum Operand {
    Register(usize),
    Constant(i64),
}

/// The values of a step for the rows of a vector.
#[derive(Debug, Default)]
pub(super) struct Register {
    pub(super) values: Vec<i64>,
    /// Of the rows of the batch.
    pub(super) nulls: Option<NullBuffer>,
    /// No value has more bits beside its sign, nor has one that stands in place of a null.
    pub(super) bits: u32,
}

/// Tells whether an expression is an operator that is computed here: then it is cheap to compute it where it is needed.
pub(super) fn is_arithmetic(expr: &Expression, schema: &Schema) -> bool {
    let Ok(ty) = expr.data_type(schema) else {
        return false;
    };
    is_whole(&ty) && Program::default().compute(expr, &ty, schema).is_some()
}

impl Register {
    /// Holds the values of a column, all of which must fit.
    pub(super) fn of(column: &ArrayRef) -> Result<Self> {
        let mut values = Vec::new();
        if !load(column.as_ref(), 0, column.len(), &mut values)
            && let Some(wide) = column.as_primitive_opt::<Decimal128Type>()
        {
            // What stands in place of a null may be anything.
            let fitting = wide.iter().map(|value| i64::try_from(value.unwrap_or(0)));
            values = fitting
                .collect::<Result<_, _>>()
                .map_err(|_| internal_datafusion_err!("a value has more digits than its type"))?;
        }
        Ok(Self {
            bits: bits_of(&values),
            values,
            nulls: column.nulls().cloned(),
        })
    }
}

/// An operator and its sides.
struct Arithmetic<'a> {
    operator: Operator,
    left: &'a Expression,
    right: &'a Expression,
}

impl Program {
    /// Gives the place among the leaves of an expression over the input.
    pub(super) fn leaf(&mut self, expr: &Expression) -> usize {
        let known = self.leaves.iter().position(|known| known == expr);
        known.unwrap_or_else(|| {
            self.leaves.push(Arc::clone(expr));
            self.leaves.len() - 1
        })
    }

    /// What the engine computes.
    pub(super) fn leaves(&self) -> &[Expression] {
        &self.leaves
    }

    /// Counts the steps that are not left to the engine.
    pub(super) fn computed(&self) -> usize {
        let computed = |step: &&Step| matches!(step, Step::Compute { .. });
        self.steps.iter().filter(computed).count()
    }

    /// Gives the register of an expression over the input; `None` if its values are no 64-bit integers, or constant.
    pub(super) fn register(&mut self, expr: &Expression, schema: &Schema) -> Option<usize> {
        match self.operand(expr, schema)? {
            Operand::Register(register) => Some(register),
            Operand::Constant(_) => None,
        }
    }

    fn operand(&mut self, expr: &Expression, schema: &Schema) -> Option<Operand> {
        if let Some((_, operand)) = self.known.iter().find(|(known, _)| known == expr) {
            return Some(*operand);
        }
        let ty = expr.data_type(schema).ok()?;
        if !is_whole(&ty) || ty == DataType::Boolean {
            return None;
        }
        let before = (self.leaves.len(), self.steps.len(), self.known.len());
        let operand = match expr.downcast_ref::<Literal>() {
            Some(literal) => Operand::Constant(constant(literal.value())?),
            None => match self.compute(expr, &ty, schema) {
                Some(step) => self.push(step),
                None => {
                    // What was begun for its sides is not needed.
                    self.leaves.truncate(before.0);
                    self.steps.truncate(before.1);
                    self.known.truncate(before.2);
                    let leaf = self.leaf(expr);
                    self.push(Step::Leaf(leaf))
                }
            },
        };
        self.known.push((Arc::clone(expr), operand));
        Some(operand)
    }

    fn push(&mut self, step: Step) -> Operand {
        self.steps.push(step);
        Operand::Register(self.steps.len() - 1)
    }

    /// Makes the step of an operator that is known here.
    fn compute(&mut self, expr: &Expression, ty: &DataType, schema: &Schema) -> Option<Step> {
        let expr = without_cast(expr, ty, schema);
        let Arithmetic {
            operator,
            left,
            right,
        } = arithmetic(expr)?;
        let types = (left.data_type(schema).ok()?, right.data_type(schema).ok()?);
        let (more_left, more_right) = match (ty, &types.0, &types.1) {
            (
                DataType::Decimal128(_, scale),
                DataType::Decimal128(_, l),
                DataType::Decimal128(_, r),
            ) if *l >= 0 && *r >= 0 => digits(operator, *scale, (*l, *r))?,
            (DataType::Int16 | DataType::Int32 | DataType::Int64, l, r) if l == ty && r == ty => {
                (0, 0)
            }
            _ => return None,
        };
        let left = self.operand(left, schema)?;
        let right = self.operand(right, schema)?;
        let left = self.scaled(left, more_left)?;
        let right = self.scaled(right, more_right)?;
        let bits = match ty {
            DataType::Int16 => 15,
            DataType::Int32 => 31,
            _ => BITS_MAX,
        };
        match (left, right) {
            (Operand::Constant(_), Operand::Constant(_)) => None,
            (left, right) => Some(Step::Compute {
                operator,
                left,
                right,
                bits,
            }),
        }
    }

    /// Gives an operand with more digits after the point.
    fn scaled(&mut self, operand: Operand, digits: u32) -> Option<Operand> {
        let factor = 10_i64.checked_pow(digits)?;
        match operand {
            _ if digits == 0 => Some(operand),
            Operand::Constant(value) => Some(Operand::Constant(value.checked_mul(factor)?)),
            Operand::Register(_) => Some(self.push(Step::Compute {
                operator: Operator::Multiply,
                left: operand,
                right: Operand::Constant(factor),
                bits: BITS_MAX,
            })),
        }
    }

    /// Makes the registers that [`Program::run`] fills.
    pub(super) fn registers(&self) -> Vec<Register> {
        self.steps.iter().map(|_| Register::default()).collect()
    }

    /// Tells the registers which rows of a batch are null, of which the engine made `leaves`.
    pub(super) fn begin_batch(&self, leaves: &[ArrayRef], registers: &mut [Register]) {
        for (at, step) in self.steps.iter().enumerate() {
            let of = |operand: &Operand| match operand {
                Operand::Register(at) => registers.get(*at).and_then(|of| of.nulls.as_ref()),
                Operand::Constant(_) => None,
            };
            let nulls = match step {
                Step::Leaf(leaf) => leaves.get(*leaf).and_then(|leaf| leaf.nulls().cloned()),
                Step::Compute { left, right, .. } => NullBuffer::union(of(left), of(right)),
            };
            if let Some(register) = registers.get_mut(at) {
                register.nulls = nulls;
            }
        }
    }

    /// Computes `rows` rows, beginning with row `from`. Gives false if some value does not fit, and then the registers
    /// tell nothing.
    pub(super) fn run(
        &self,
        leaves: &[ArrayRef],
        from: usize,
        rows: usize,
        registers: &mut [Register],
    ) -> bool {
        for (at, step) in self.steps.iter().enumerate() {
            let (before, register) = registers.split_at_mut(at);
            let Some(register) = register.first_mut() else {
                return false;
            };
            let fits = match step {
                Step::Leaf(leaf) => leaves
                    .get(*leaf)
                    .is_some_and(|leaf| load(leaf.as_ref(), from, rows, &mut register.values)),
                Step::Compute {
                    operator,
                    left,
                    right,
                    ..
                } => {
                    let (left, right) = (Side::of(*left, before), Side::of(*right, before));
                    compute(*operator, left, right, &mut register.values)
                }
            };
            register.bits = bits_of(&register.values);
            let allowed = match step {
                Step::Leaf(_) => BITS_MAX,
                Step::Compute { bits, .. } => *bits,
            };
            if !fits || register.bits > allowed {
                return false;
            }
        }
        true
    }
}

/// Gives how many digits after the point each side is given for an exact result; `None` if that has others.
fn digits(operator: Operator, scale: i8, (left, right): (i8, i8)) -> Option<(u32, u32)> {
    if operator == Operator::Multiply {
        return (left.checked_add(right)? == scale).then_some((0, 0));
    }
    let more = |side: i8| u32::try_from(scale - side).ok();
    (left.max(right) == scale).then_some((more(left)?, more(right)?))
}

fn arithmetic(expr: &Expression) -> Option<Arithmetic<'_>> {
    let (operator, left, right) = if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        (*binary.op(), binary.left(), binary.right())
    } else if let Some(small) = expr.downcast_ref::<SmallDecimalExpr>() {
        small.sides()
    } else {
        let function = expr.downcast_ref::<ScalarFunctionExpr>()?;
        let operator = operator_of(function.fun().name())?;
        match function.args() {
            [left, right] => (operator, left, right),
            _ => return None,
        }
    };
    let known = matches!(
        operator,
        Operator::Plus | Operator::Minus | Operator::Multiply
    );
    known.then_some(Arithmetic {
        operator,
        left,
        right,
    })
}

/// Looks through casts that change nothing.
fn without_cast<'a>(expr: &'a Expression, ty: &DataType, schema: &Schema) -> &'a Expression {
    let mut expr = expr;
    while let Some(cast) = expr.downcast_ref::<CastExpr>()
        && cast.expr().data_type(schema).is_ok_and(|of| of == *ty)
    {
        expr = cast.expr();
    }
    expr
}

fn constant(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int16(value) => value.map(i64::from),
        ScalarValue::Int32(value) => value.map(i64::from),
        ScalarValue::Int64(value) => *value,
        ScalarValue::Decimal128(value, _, _) => i64::try_from((*value)?).ok(),
        _ => None,
    }
}

/// One side of an operator.
#[derive(Clone, Copy)]
enum Side<'a> {
    Each(&'a [i64], u32),
    One(i64),
}

impl<'a> Side<'a> {
    fn of(operand: Operand, registers: &'a [Register]) -> Self {
        match operand {
            Operand::Constant(value) => Self::One(value),
            Operand::Register(at) => match registers.get(at) {
                Some(register) => Self::Each(&register.values, register.bits),
                None => Self::Each(&[], 0),
            },
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::Each(_, bits) => bits,
            Self::One(value) => bits_of(&[value]),
        }
    }
}

/// Tells how many bits beside its sign the widest of values has.
fn bits_of(values: &[i64]) -> u32 {
    let all = values
        .iter()
        .fold(0, |all, value| all | (value ^ (value >> BITS_MAX)));
    i64::BITS - all.leading_zeros()
}

/// Computes each result, and tells whether none overflowed.
fn compute(operator: Operator, left: Side<'_>, right: Side<'_>, out: &mut Vec<i64>) -> bool {
    out.clear();
    let (l, r) = (left.bits(), right.bits());
    match operator {
        Operator::Plus if l.max(r) < BITS_MAX - 1 => plain(left, right, out, i64::wrapping_add),
        Operator::Minus if l.max(r) < BITS_MAX - 1 => plain(left, right, out, i64::wrapping_sub),
        Operator::Multiply if l + r < BITS_MAX => plain(left, right, out, i64::wrapping_mul),
        Operator::Plus => return checked(left, right, out, i64::overflowing_add),
        Operator::Minus => return checked(left, right, out, i64::overflowing_sub),
        Operator::Multiply => return checked(left, right, out, i64::overflowing_mul),
        _ => return false,
    }
    true
}

#[inline(always)]
fn plain(left: Side<'_>, right: Side<'_>, out: &mut Vec<i64>, compute: impl Fn(i64, i64) -> i64) {
    match (left, right) {
        (Side::Each(left, _), Side::Each(right, _)) => {
            out.extend(left.iter().zip(right).map(|(l, r)| compute(*l, *r)));
        }
        (Side::Each(left, _), Side::One(right)) => {
            out.extend(left.iter().map(|left| compute(*left, right)));
        }
        (Side::One(left), Side::Each(right, _)) => {
            out.extend(right.iter().map(|right| compute(left, *right)));
        }
        (Side::One(left), Side::One(right)) => out.push(compute(left, right)),
    }
}

fn checked(
    left: Side<'_>,
    right: Side<'_>,
    out: &mut Vec<i64>,
    compute: impl Fn(i64, i64) -> (i64, bool),
) -> bool {
    let overflowed = std::cell::Cell::new(false);
    plain(left, right, out, |left, right| {
        let (result, over) = compute(left, right);
        overflowed.set(overflowed.get() | over);
        result
    });
    !overflowed.get()
}
