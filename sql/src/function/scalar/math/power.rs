//! POWER: a number to the power of another.

use super::double;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const POWER: Scalar = Scalar {
    name: "power",
    aliases: &["pow", "dpow"],
    forms: &[Form::new(&[Kind::Double, Kind::Double], Kind::Double)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Raises a number to a power",
        syntax: "POWER(number, exponent)",
        arguments: &[("number", "the base"), ("exponent", "the power")],
        returns: "DOUBLE PRECISION",
        examples: &[
            ("power(2, 3)", "8"),
            ("pow(2, -1)", "0.5"),
            ("dpow(10, 2)", "100"),
            ("2 ^ 10", "1024"),
            ("power(null, 2)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    double::binary(call, |base, exponent| {
        if base == 0.0 && exponent < 0.0 {
            return Err(double::refused(
                "zero raised to a negative power is undefined",
            ));
        }
        if base < 0.0 && exponent.fract() != 0.0 {
            return Err(double::refused(
                "a negative number raised to a non-integer power yields a complex result",
            ));
        }
        let finite = base.is_finite() && exponent.is_finite();
        double::in_range(base.powf(exponent), finite)
    })
}
