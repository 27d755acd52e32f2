//! CRC32: the CRC-32C checksum of a text.

use super::hex;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const CRC32: Scalar = Scalar {
    name: "crc32",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text], Kind::Text),
        Form::new(&[Kind::Varbyte], Kind::Text),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the CRC-32C checksum of a text",
        syntax: "CRC32(text)",
        arguments: &[("text", "a text or VARBYTE")],
        returns: "VARCHAR of 8 hexadecimal digits",
        examples: &[
            ("crc32('Amazon Redshift')", "f2726906"),
            ("crc32('')", "00000000"),
            ("crc32(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    hex::hashed(call, |bytes, _row, out| {
        hex::write(&crc(bytes).to_be_bytes(), out);
        Ok(true)
    })
}

/// The polynomial of CRC-32C, lowest bit first.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ POLYNOMIAL
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |value: u32, byte: &u8| {
        let index = usize::from(value.to_le_bytes()[0] ^ byte);
        (value >> 8) ^ TABLE.get(index).copied().unwrap_or(0)
    };
    !bytes.iter().fold(!0, step)
}
