//! BTRIM: characters taken off both ends of a text.

use super::trim;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const BTRIM: Scalar = Scalar {
    name: "btrim",
    aliases: &["trim"],
    forms: &[Form::with_optional(
        &[Kind::Text],
        &[Kind::Text],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Takes characters off both ends of a text",
        syntax: "BTRIM(text [, characters])",
        arguments: &[
            ("text", "the text"),
            ("characters", "a set of characters; blanks if not given"),
        ],
        returns: "VARCHAR",
        examples: &[
            ("btrim('  abc  ')", "abc"),
            ("btrim('xyzaxyzbxyzcxyz', 'xyz')", "axyzbxyzc"),
            ("trim('\"' FROM '\"dog\"')", "dog"),
            ("trim(both 'x' from 'xxdogx')", "dog"),
            ("trim('CDG' from 'CDGdogC')", "dog"),
            ("trim(' a ')", "a"),
            ("btrim('abc', null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    trim::trimmed(call, trim::Side::Both)
}
