//! MD5: the checksum of a text in 32 digits.

use super::hex;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use md5::{Digest, Md5};

pub(super) const MD5: Scalar = Scalar {
    name: "md5",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text], Kind::Text),
        Form::new(&[Kind::Varbyte], Kind::Text),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the MD5 checksum of a text",
        syntax: "MD5(text)",
        arguments: &[("text", "a text or VARBYTE")],
        returns: "VARCHAR of 32 hexadecimal digits",
        examples: &[
            ("md5('Amazon Redshift')", "f7415e33f972c03abd4f3fed36748f7a"),
            ("md5('')", "d41d8cd98f00b204e9800998ecf8427e"),
            ("md5(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    hex::hashed(call, |bytes, _row, out| {
        hex::write(&Md5::digest(bytes), out);
        Ok(true)
    })
}
