//! SUM: BIGINT of whole numbers, DECIMAL(38, scale) of decimals, DOUBLE PRECISION of floating-point numbers, an interval
//! of intervals.

use super::group::Grouped;
use super::number::{DIGITS_MAX, argument_type, not_numbers};
use super::running::{Distinct, Running};
use crate::function::semistructured::is_super;
use arrow::datatypes::{
    Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalYearMonthType,
};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};
use std::sync::Arc;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    signature: Signature,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

/// The result, and what the total is kept in.
fn result(ty: &DataType) -> Result<DataType> {
    match ty {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => Ok(DataType::Int64),
        DataType::Float32 | DataType::Float64 => Ok(DataType::Float64),
        DataType::Decimal128(_, scale) => Ok(DataType::Decimal128(DIGITS_MAX, *scale)),
        span @ (DataType::Duration(_) | DataType::Interval(_)) => Ok(span.clone()),
        other => Err(not_numbers("sum", Some(other))),
    }
}

/// Fills in the types of an argument, a total and a result.
macro_rules! of_types {
    ($ty:expr, $make:ident) => {
        match $ty {
            DataType::Int16 => $make!(Int16Type, Int64Type),
            DataType::Int32 => $make!(Int32Type, Int64Type),
            DataType::Int64 => $make!(Int64Type, Int64Type),
            DataType::Float32 => $make!(Float32Type, Float64Type),
            DataType::Float64 => $make!(Float64Type, Float64Type),
            DataType::Decimal128(_, _) => $make!(Decimal128Type, Decimal128Type),
            DataType::Duration(_) => $make!(DurationMicrosecondType, DurationMicrosecondType),
            DataType::Interval(_) => $make!(IntervalYearMonthType, IntervalYearMonthType),
            other => Err(not_numbers("sum", Some(other))),
        }
    };
}

fn argument(args: &AccumulatorArgs) -> DataType {
    let field = args.expr_fields.first();
    field.map_or(DataType::Null, |field| field.data_type().clone())
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            // Whether it is a SUPER, which the binder reads as a number, its field tells.
            [DataType::Utf8View] => Ok(types.to_vec()),
            [ty] => match argument_type(ty) {
                Some(ty) => Ok(vec![ty]),
                None => Err(not_numbers("sum", Some(ty))),
            },
            _ => Err(not_numbers("sum", None)),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        result(types.first().unwrap_or(&DataType::Null))
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let ty = match arguments.first() {
            Some(field) if is_super(field) => result(&DataType::Float64)?,
            Some(field) => self.return_type(&[field.data_type().clone()])?,
            None => self.return_type(&[])?,
        };
        Ok(Arc::new(Field::new(self.name(), ty, self.is_nullable())))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let ty = argument(&args);
        let total = result(&ty)?;
        macro_rules! make {
            ($argument:ty, $total:ty) => {
                if args.is_distinct {
                    let distinct = Distinct::<$argument, $total, $total>::new(
                        ty.clone(),
                        total.clone(),
                        total,
                        |total, _| total,
                    );
                    Ok(Box::new(distinct))
                } else {
                    let running = Running::<$argument, $total, $total>::new(
                        total.clone(),
                        total,
                        |total, _| total,
                    );
                    Ok(Box::new(running))
                }
            };
        }
        of_types!(&ty, make)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        state_fields(&args, args.return_type().clone())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let ty = argument(&args);
        let total = result(&ty)?;
        macro_rules! make {
            ($argument:ty, $total:ty) => {
                Ok(Box::new(Grouped::<$argument, $total, $total>::new(
                    total.clone(),
                    total,
                    |total, _| total,
                )))
            };
        }
        of_types!(&ty, make)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// What SUM and AVG pass from one node to the next: the different values, or a count and a total.
pub(super) fn state_fields(args: &StateFieldsArgs, total: DataType) -> Result<Vec<FieldRef>> {
    let name = |part| format_state_name(args.name, part);
    if args.is_distinct {
        let ty = args.input_fields.first();
        let ty = ty.map_or(DataType::Null, |field| field.data_type().clone());
        let item = Field::new_list_field(ty, true);
        return Ok(vec![Arc::new(Field::new_list(
            name("distinct"),
            item,
            false,
        ))]);
    }
    Ok(vec![
        Arc::new(Field::new(name("count"), DataType::Int64, true)),
        Arc::new(Field::new(name("total"), total, true)),
    ])
}
