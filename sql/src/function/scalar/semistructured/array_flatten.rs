//! ARRAY_FLATTEN: arrays within an array as one.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::Returns;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const ARRAY_FLATTEN: Scalar = Scalar {
    name: "array_flatten",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Super],
        optional: &[],
        repeated: Some(Kind::Super),
        returns: Returns::Kind(Kind::Super),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Puts the elements of arrays within an array in their place",
        syntax: "ARRAY_FLATTEN(array [, ...])",
        arguments: &[(
            "array",
            "an array, of which elements that are arrays are dissolved, one level deep",
        )],
        returns: "SUPER; an error if one is no array",
        examples: &[
            (
                "array_flatten(array(array(1, 2, 3, 4), array(5, 6, 7, 8), array(9, 10)))",
                "[1,2,3,4,5,6,7,8,9,10]",
            ),
            ("array_flatten(array(1, array(array(2))))", "[1,[2]]"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = (0..call.count()).map(|argument| call.text(argument));
    let values = values.collect::<Result<Vec<_>>>()?;
    call.build_text(|row, out| {
        let mut all = Vec::new();
        for column in &values {
            let Some(text) = column.at(row) else {
                return Ok(false);
            };
            for element in value::elements("array_flatten", text)? {
                match value::elements("array_flatten", element) {
                    Ok(inner) => all.extend(inner),
                    Err(_) => all.push(element),
                }
            }
        }
        value::write_array(all.into_iter(), out);
        Ok(true)
    })
}
