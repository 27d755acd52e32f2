//! SIGN: -1, 0 or 1.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use arrow::array::ArrayRef;
use arrow::datatypes::{Decimal128Type, Float64Type};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

pub(super) const SIGN: Scalar = Scalar {
    name: "sign",
    aliases: &["signum"],
    forms: &[
        Form {
            arguments: &[Kind::Decimal],
            optional: &[],
            repeated: None,
            returns: Returns::Types(returns),
        },
        Form::new(&[Kind::Double], Kind::Double),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the sign of a number",
        syntax: "SIGN(number)",
        arguments: &[("number", "a number")],
        returns: "-1, 0 or 1 as DECIMAL(1,0); DOUBLE PRECISION of a double",
        examples: &[
            ("sign(-28.05)", "-1"),
            ("sign(0)", "0"),
            ("sign(5)", "1"),
            ("sign(-0.5::float8)", "-1"),
            ("sign(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn returns(_types: &[DataType], _constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Decimal128(1, 0))
}

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    if *call.returns == DataType::Float64 {
        let numbers = call.double(0)?;
        let sign = |number: f64| if number == 0.0 { 0.0 } else { number.signum() };
        return call.build::<Float64Type>(|row| Ok(numbers.at(row).map(sign)));
    }
    let numbers = call.decimal(0)?;
    call.build::<Decimal128Type>(|row| Ok(numbers.at(row).map(i128::signum)))
}
