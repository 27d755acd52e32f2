//! Anything as a SUPER: what a cast to SUPER and an assignment to a SUPER column do.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const BLUESHIFT_SUPER: Scalar = Scalar {
    name: "blueshift_super",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Super)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Makes a SUPER of a value, as CAST(value AS SUPER)",
        syntax: "BLUESHIFT_SUPER(value)",
        arguments: &[("value", "anything but a date or time")],
        returns: "SUPER; a text stays a text, it is not read as JSON",
        examples: &[
            ("'abc'::super", "\"abc\""),
            ("1.5::super", "1.5"),
            ("json_typeof('[1]'::super)", "string"),
        ],
    },
    code: Code::Own(|call: &Call<'_>| -> Result<ArrayRef> { call.full(0) }),
};
