//! STRPOS: where a text stands in another.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const STRPOS: Scalar = Scalar {
    name: "strpos",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Finds the first place of a text in another",
        syntax: "STRPOS(text, part)",
        arguments: &[
            ("text", "where it is looked for"),
            ("part", "what is looked for"),
        ],
        returns: "INTEGER, in characters from 1; 0 if it is not there",
        examples: &[
            ("strpos('dogfish', 'fish')", "4"),
            ("strpos('dogfish', 'x')", "0"),
            ("position('fish' in 'dogfish')", "4"),
            ("position('ß' in 'Straße')", "5"),
            ("strpos(null, 'a')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    super::charindex::places(call, 1, 0)
}
