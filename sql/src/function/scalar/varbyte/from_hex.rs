//! FROM_HEX: hexadecimal digits as bytes.

use super::coding::Coding;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const FROM_HEX: Scalar = Scalar {
    name: "from_hex",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text], Kind::Varbyte)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads bytes from their hexadecimal digits",
        syntax: "FROM_HEX(text)",
        arguments: &[(
            "text",
            "hexadecimal digits; an odd number of them gets a 0 in front",
        )],
        returns: "VARBYTE",
        examples: &[
            ("from_hex('6162')", "6162"),
            ("from_hex('4')", "04"),
            ("from_varbyte(from_hex('4d'), 'binary')", "01001101"),
            ("from_hex(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.build_bytes(|row| texts.at(row).map(|text| Coding::Hex.read(text)).transpose())
}
