//! SHA2: the SHA-2 hash of a text.

use super::hex;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

pub(super) const SHA2: Scalar = Scalar {
    name: "sha2",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text, Kind::BigInt], Kind::Text),
        Form::new(&[Kind::Varbyte, Kind::BigInt], Kind::Text),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the SHA-2 hash of a text",
        syntax: "SHA2(text, bits)",
        arguments: &[
            ("text", "a text or VARBYTE"),
            ("bits", "224, 256, 384, 512; 0 is 256"),
        ],
        returns: "VARCHAR of hexadecimal digits; empty for any other number of bits",
        examples: &[
            (
                "sha2('abc', 256)",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "sha2('abc', 0)",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "sha2('abc', 224)",
                "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            ),
            ("len(sha2('abc', 512))", "128"),
            ("len(sha2('abc', 384))", "96"),
            ("sha2('abc', 1)", ""),
            ("sha2(null, 256)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let bits = call.bigint(1)?;
    hex::hashed(call, |bytes, row, out| {
        let Some(bits) = bits.at(row) else {
            return Ok(false);
        };
        match bits {
            0 | 256 => hex::write(&Sha256::digest(bytes), out),
            224 => hex::write(&Sha224::digest(bytes), out),
            384 => hex::write(&Sha384::digest(bytes), out),
            512 => hex::write(&Sha512::digest(bytes), out),
            _ => {}
        }
        Ok(true)
    })
}
