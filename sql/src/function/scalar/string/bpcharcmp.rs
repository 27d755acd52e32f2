//! BPCHARCMP: how two texts are ordered.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const BPCHARCMP: Scalar = Scalar {
    name: "bpcharcmp",
    aliases: &["bttext_pattern_cmp"],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Compares two texts byte by byte",
        syntax: "BPCHARCMP(text1, text2)",
        arguments: &[("text1", "a text"), ("text2", "a text")],
        returns: "INTEGER: -1, 0 or 1; blanks at the end do not count",
        examples: &[
            ("bpcharcmp('a', 'b')", "-1"),
            ("bpcharcmp('b', 'a')", "1"),
            ("bpcharcmp('a', 'a  ')", "0"),
            ("bttext_pattern_cmp('a', 'B')", "1"),
            ("bpcharcmp(null, 'a')", "NULL"),
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
        let order = left.trim_end_matches(' ').cmp(right.trim_end_matches(' '));
        Ok(Some(order as i32))
    })
}
