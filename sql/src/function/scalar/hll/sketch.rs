//! A text as an HLLSKETCH: what an assignment to a column of the type does.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::sketch::Sketch;
use arrow::array::ArrayRef;

pub(in crate::function) const SKETCH: Scalar = Scalar {
    name: "blueshift_sketch",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Sketch)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a sketch from its text",
        syntax: "BLUESHIFT_SKETCH(text)",
        arguments: &[(
            "text",
            "the JSON of a sparse sketch, or the Base64 of a dense one",
        )],
        returns: "HLLSKETCH",
        examples: &[(
            "hll_cardinality(blueshift_sketch('{\"logm\":15,\"sparse\":{\"indices\":[4878,9559,14523],\"values\":[1,2,1]}}'))",
            "3",
        )],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_text(|row, out| match texts.at(row) {
        Some(text) => {
            Sketch::read(text)?.write(out);
            Ok(true)
        }
        None => Ok(false),
    })
}
