//! IS_VARCHAR: whether a SUPER is a text.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const IS_VARCHAR: Scalar = Scalar {
    name: "is_varchar",
    aliases: &[],
    forms: &[Form::new(&[Kind::Super], Kind::Boolean)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Tells whether a SUPER is a text",
        syntax: "IS_VARCHAR(super)",
        arguments: &[("super", "a SUPER")],
        returns: "BOOLEAN; false of null",
        examples: &[
            ("is_varchar(json_parse('\"abc\"'))", "t"),
            ("is_varchar(array(1))", "f"),
            ("is_varchar(null)", "f"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.build_boolean(|row| {
        Ok(Some(
            values
                .at(row)
                .is_some_and(|text| value::is_kind(text, &["string"])),
        ))
    })
}
