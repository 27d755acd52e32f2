//! PI: the number pi.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;

pub(super) const PI: Scalar = Scalar {
    name: "pi",
    aliases: &[],
    forms: &[Form::new(&[], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the number pi",
        syntax: "PI()",
        arguments: &[],
        returns: "DOUBLE PRECISION",
        examples: &[("pi()", "3.14159265358979")],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    call.build::<Float64Type>(|_| Ok(Some(std::f64::consts::PI)))
}
