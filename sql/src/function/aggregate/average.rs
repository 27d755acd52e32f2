//! AVG: BIGINT of whole numbers, cut; DECIMAL(38, scale) of decimals, rounded; DOUBLE PRECISION of the rest.

use super::group::Grouped;
use super::number::{
    DIGITS_MAX, argument_type, average_decimal, average_double, average_months, average_whole,
    average_wide, not_numbers,
};
use super::running::{Distinct, Running};
use super::sum::state_fields;
use crate::function::semistructured::is_super;
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalYearMonthType,
};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::Result;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::AggregateOrderSensitivity;
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, GroupsAccumulator, ReversedUDAF,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Average {
    signature: Signature,
}

impl Average {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

/// What the total is kept in, and the result.
fn types(ty: &DataType) -> Result<(DataType, DataType)> {
    let wide = |scale| DataType::Decimal128(DIGITS_MAX, scale);
    match ty {
        DataType::Int16 | DataType::Int32 => Ok((DataType::Int64, DataType::Int64)),
        // Two BIGINTs may not add up to one.
        DataType::Int64 => Ok((wide(0), DataType::Int64)),
        DataType::Float32 | DataType::Float64 => Ok((DataType::Float64, DataType::Float64)),
        DataType::Decimal128(_, scale) => Ok((wide(*scale), wide(*scale))),
        span @ (DataType::Duration(_) | DataType::Interval(_)) => Ok((span.clone(), span.clone())),
        other => Err(not_numbers("avg", Some(other))),
    }
}

/// Divides the total of an average by the count: what AVG does at its end. A materialized view keeps the two apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Finish {
    signature: Signature,
    result: DataType,
}

/// Gives the function of a total and a count that ends an AVG over values of a type, with the type the total must
/// have. `None` if it is no number.
pub(super) fn finish(argument: &DataType) -> Option<(DataType, ScalarUDF)> {
    let (total, result) = types(&argument_type(argument)?).ok()?;
    let signature = Signature::exact(vec![total.clone(), DataType::Int64], Volatility::Immutable);
    let finish = ScalarUDF::new_from_impl(Finish { signature, result });
    Some((total, finish))
}

impl ScalarUDFImpl for Finish {
    fn name(&self) -> &'static str {
        "blueshift_average"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [totals, counts] = arrays.as_slice() else {
            return Err(not_numbers("avg", None));
        };
        let counts = counts.as_primitive::<Int64Type>();
        // No values have no average.
        let count =
            |row: usize| (counts.is_valid(row) && counts.value(row) > 0).then(|| counts.value(row));
        macro_rules! divide {
            ($total:ty, $result:ty, $divide:expr) => {{
                let totals = totals.as_primitive::<$total>();
                let rows = (0..totals.len()).map(|row| {
                    let count = count(row)?;
                    totals
                        .is_valid(row)
                        .then(|| $divide(totals.value(row), count))
                });
                let divided: PrimitiveArray<$result> = rows.collect();
                Arc::new(divided.with_data_type(self.result.clone())) as ArrayRef
            }};
        }
        let array = match (totals.data_type(), &self.result) {
            (DataType::Int64, _) => divide!(Int64Type, Int64Type, average_whole),
            (DataType::Decimal128(_, _), DataType::Int64) => {
                divide!(Decimal128Type, Int64Type, average_wide)
            }
            (DataType::Decimal128(_, _), _) => {
                divide!(Decimal128Type, Decimal128Type, average_decimal)
            }
            (DataType::Float64, _) => divide!(Float64Type, Float64Type, average_double),
            (other, _) => return Err(not_numbers("avg", Some(other))),
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// Fills in the types of an argument, a total and a result, and the division.
macro_rules! of_types {
    ($ty:expr, $make:ident) => {
        match $ty {
            DataType::Int16 => $make!(Int16Type, Int64Type, Int64Type, average_whole),
            DataType::Int32 => $make!(Int32Type, Int64Type, Int64Type, average_whole),
            DataType::Int64 => $make!(Int64Type, Decimal128Type, Int64Type, average_wide),
            DataType::Float32 => $make!(Float32Type, Float64Type, Float64Type, average_double),
            DataType::Float64 => $make!(Float64Type, Float64Type, Float64Type, average_double),
            DataType::Decimal128(_, _) => {
                $make!(
                    Decimal128Type,
                    Decimal128Type,
                    Decimal128Type,
                    average_decimal
                )
            }
            DataType::Duration(_) => {
                $make!(
                    DurationMicrosecondType,
                    DurationMicrosecondType,
                    DurationMicrosecondType,
                    average_whole
                )
            }
            DataType::Interval(_) => {
                $make!(
                    IntervalYearMonthType,
                    IntervalYearMonthType,
                    IntervalYearMonthType,
                    average_months
                )
            }
            other => Err(not_numbers("avg", Some(other))),
        }
    };
}

fn argument(args: &AccumulatorArgs) -> DataType {
    let field = args.expr_fields.first();
    field.map_or(DataType::Null, |field| field.data_type().clone())
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &'static str {
        "avg"
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
                None => Err(not_numbers("avg", Some(ty))),
            },
            _ => Err(not_numbers("avg", None)),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(types(arguments.first().unwrap_or(&DataType::Null))?.1)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let ty = match arguments.first() {
            Some(field) if is_super(field) => types(&DataType::Float64)?.1,
            Some(field) => self.return_type(&[field.data_type().clone()])?,
            None => self.return_type(&[])?,
        };
        Ok(Arc::new(Field::new(self.name(), ty, self.is_nullable())))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let ty = argument(&args);
        let (total, result) = types(&ty)?;
        macro_rules! make {
            ($argument:ty, $total:ty, $result:ty, $divide:expr) => {
                if args.is_distinct {
                    let distinct = Distinct::<$argument, $total, $result>::new(
                        ty.clone(),
                        total,
                        result,
                        $divide,
                    );
                    Ok(Box::new(distinct))
                } else {
                    let running =
                        Running::<$argument, $total, $result>::new(total, result, $divide);
                    Ok(Box::new(running))
                }
            };
        }
        of_types!(&ty, make)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let ty = args.input_fields.first();
        let ty = ty.map_or(DataType::Null, |field| field.data_type().clone());
        state_fields(&args, types(&ty)?.0)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let ty = argument(&args);
        let (total, result) = types(&ty)?;
        macro_rules! make {
            ($argument:ty, $total:ty, $result:ty, $divide:expr) => {
                Ok(Box::new(Grouped::<$argument, $total, $result>::new(
                    total, result, $divide,
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
