//! HLL_COMBINE_SKETCHES: the sketch of the values of two.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::sketch::Sketch;
use arrow::array::ArrayRef;

pub(super) const HLL_COMBINE_SKETCHES: Scalar = Scalar {
    name: "hll_combine_sketches",
    aliases: &[],
    forms: &[Form::new(&[Kind::Sketch, Kind::Sketch], Kind::Sketch)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Makes one sketch of two",
        syntax: "HLL_COMBINE_SKETCHES(sketch1, sketch2)",
        arguments: &[("sketch1", "an HLLSKETCH"), ("sketch2", "an HLLSKETCH")],
        returns: "HLLSKETCH",
        examples: &[(
            "hll_cardinality(hll_combine_sketches(hll_create_sketch(1), hll_create_sketch(2)))",
            "2",
        )],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    call.build_text(|row, out| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else {
            return Ok(false);
        };
        let mut sketch = Sketch::read(left)?;
        sketch.unite(&Sketch::read(right)?);
        sketch.write(out);
        Ok(true)
    })
}
