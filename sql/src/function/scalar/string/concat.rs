//! CONCAT: two texts in one.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const CONCAT: Scalar = Scalar {
    name: "concat",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text, Kind::Text], Kind::Text),
        Form::new(&[Kind::Varbyte, Kind::Varbyte], Kind::Varbyte),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Joins two texts; for more, nest it or write ||",
        syntax: "CONCAT(text1, text2)",
        arguments: &[("text1", "the first text"), ("text2", "the second text")],
        returns: "VARCHAR, of two VARBYTE a VARBYTE; null if either is null",
        examples: &[
            ("concat('December 25, ', '2008')", "December 25, 2008"),
            ("concat('a', 1)", "a1"),
            ("concat('a', null)", "NULL"),
            ("concat('abc'::varbyte, 'def'::varbyte)", "616263646566"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    if let (Ok(left), Ok(right)) = (call.bytes(0), call.bytes(1)) {
        return call.build_bytes(|row| {
            let pair = left.at(row).zip(right.at(row));
            Ok(pair.map(|(left, right)| [left, right].concat()))
        });
    }
    let (left, right) = (call.text(0)?, call.text(1)?);
    call.build_text(|row, out| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else {
            return Ok(false);
        };
        out.push_str(left);
        out.push_str(right);
        Ok(true)
    })
}
