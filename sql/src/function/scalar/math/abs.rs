//! ABS: a number without its sign.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;
use arrow::datatypes::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

pub(super) const ABS: Scalar = Scalar {
    name: "abs",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Number],
        optional: &[],
        repeated: None,
        returns: Returns::Types(same),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the absolute value of a number",
        syntax: "ABS(number)",
        arguments: &[("number", "a number")],
        returns: "the type of the number",
        examples: &[
            ("abs(-38)", "38"),
            ("abs(14 - 76)", "62"),
            ("abs(-1.50)", "1.50"),
            ("abs('-2.5'::float8)", "2.5"),
            ("@ (-7)", "7"),
            ("abs(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn same(types: &[DataType], _constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(types.first().cloned().unwrap_or(DataType::Int32))
}

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    macro_rules! whole {
        ($ty:ty) => {{
            let numbers = call.primitive::<$ty>(0)?;
            call.build::<$ty>(|row| {
                let number = numbers.at(row);
                number
                    .map(|number| number.checked_abs().ok_or_else(out_of_range))
                    .transpose()
            })
        }};
    }
    match call.ty(0) {
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::Decimal128(..) => whole!(Decimal128Type),
        DataType::Float32 => {
            let numbers = call.primitive::<Float32Type>(0)?;
            call.build::<Float32Type>(|row| Ok(numbers.at(row).map(f32::abs)))
        }
        DataType::Float64 => {
            let numbers = call.double(0)?;
            call.build::<Float64Type>(|row| Ok(numbers.at(row).map(f64::abs)))
        }
        // Unsigned numbers have no sign.
        _ => call.full(0),
    }
}

fn out_of_range() -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range")
        .with_hint("Cast the number to a wider type")
}
