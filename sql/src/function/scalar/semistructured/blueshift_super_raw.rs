//! A JSON text taken for a SUPER as it is: what an element of an unnested array is.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(in crate::function) const BLUESHIFT_SUPER_RAW: Scalar = Scalar {
    name: "blueshift_super_raw",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Super)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Takes a JSON text for a SUPER without reading it",
        syntax: "BLUESHIFT_SUPER_RAW(text)",
        arguments: &[("text", "a JSON text without blanks")],
        returns: "SUPER",
        examples: &[("json_typeof(blueshift_super_raw('[1]'))", "array")],
    },
    code: Code::Own(|call: &Call<'_>| -> Result<ArrayRef> { call.full(0) }),
};
