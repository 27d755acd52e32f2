//! A part of a SUPER by keys and places: what `x.a[0].b` means.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::call::Column;
use crate::function::declaration::Returns;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::array::{Int64Array, StringViewArray};
use arrow_schema::DataType;

pub(in crate::function) const BLUESHIFT_SUPER_GET: Scalar = Scalar {
    name: "blueshift_super_get",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Super],
        optional: &[],
        repeated: Some(Kind::Any),
        returns: Returns::Kind(Kind::Super),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Takes a part of a SUPER, as x.key[0]",
        syntax: "BLUESHIFT_SUPER_GET(super, step, ...)",
        arguments: &[
            ("super", "a SUPER"),
            (
                "step",
                "the key of an object as a text, or the place in an array as a number from 0",
            ),
        ],
        returns: "SUPER; null if there is no such part",
        examples: &[
            (
                "blueshift_super_get(json_parse('{\"a\":[1,{\"b\":\"c\"}]}'), 'a', 1, 'b')",
                "\"c\"",
            ),
            ("blueshift_super_get(array(1), 5)", "NULL"),
            ("blueshift_super_get(array(1), 'a')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    enum Step<'a> {
        Key(Column<'a, StringViewArray>),
        Place(Column<'a, Int64Array>),
    }
    let values = call.text(0)?;
    let steps = (1..call.count()).map(|argument| {
        Ok(match call.ty(argument) {
            DataType::Utf8View => Step::Key(call.text(argument)?),
            _ => Step::Place(call.bigint(argument)?),
        })
    });
    let steps = steps.collect::<Result<Vec<_>>>()?;
    call.build_part(|row| {
        let mut found = values.at(row).map(value::of);
        for step in &steps {
            found = match (found, step) {
                (Some(value), Step::Key(keys)) => keys.at(row).and_then(|key| value.get(key)),
                (Some(value), Step::Place(places)) => {
                    let place = places.at(row).and_then(|place| usize::try_from(place).ok());
                    match value::elements("", value.text) {
                        Ok(mut elements) => {
                            place.and_then(|place| elements.nth(place)).map(value::of)
                        }
                        Err(_) => None,
                    }
                }
                (None, _) => None,
            };
        }
        Ok(found.map(|value| value.text))
    })
}
