//! DIFFERENCE: how alike two texts sound in English.

use super::soundex::code;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const DIFFERENCE: Scalar = Scalar {
    name: "difference",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the equal places of the Soundex codes of two texts",
        syntax: "DIFFERENCE(text1, text2)",
        arguments: &[("text1", "a text"), ("text2", "a text")],
        returns: "INTEGER from 0 to 4; 4 if they sound the same",
        examples: &[
            ("difference('AC/DC', 'Ay See Dee See')", "4"),
            ("difference('Amazon', '+-*/%')", "0"),
            ("difference('+', '-')", "1"),
            ("difference('Robert', 'Rupert')", "4"),
            ("difference(null, 'a')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    call.build::<Int32Type>(|row| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else {
            return Ok(None);
        };
        Ok(Some(match (code(left), code(right)) {
            (Some(left), Some(right)) => {
                let equal = left
                    .iter()
                    .zip(right)
                    .filter(|(left, right)| **left == *right);
                i32::try_from(equal.count()).unwrap_or(4)
            }
            // As the manual says of two texts without letters.
            (None, None) => 1,
            _ => 0,
        }))
    })
}
