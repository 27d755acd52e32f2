//! TO_HEX: a number or bytes in hexadecimal digits.

use super::hex;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow_schema::DataType;
use std::fmt::Write;

pub(super) const TO_HEX: Scalar = Scalar {
    name: "to_hex",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Integer], Kind::Text),
        Form::new(&[Kind::BigInt], Kind::Text),
        Form::new(&[Kind::Varbyte], Kind::Text),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Writes a number or VARBYTE in hexadecimal digits",
        syntax: "TO_HEX(value)",
        arguments: &[("value", "a whole number or a VARBYTE")],
        returns: "VARCHAR; a negative number has all digits of its type",
        examples: &[
            ("to_hex(2147676847)", "8002f2af"),
            ("to_hex(255::int)", "ff"),
            ("to_hex((-1)::int)", "ffffffff"),
            ("to_hex((-1)::bigint)", "ffffffffffffffff"),
            ("to_hex(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    match call.ty(0) {
        DataType::BinaryView => hex::hashed(call, |bytes, _row, out| {
            hex::write(bytes, out);
            Ok(true)
        }),
        DataType::Int32 => {
            let numbers = call.integer(0)?;
            call.build_text(|row, out| {
                let number = numbers.at(row);
                if let Some(number) = number {
                    let _ = write!(out, "{number:x}");
                }
                Ok(number.is_some())
            })
        }
        _ => {
            let numbers = call.bigint(0)?;
            call.build_text(|row, out| {
                let number = numbers.at(row);
                if let Some(number) = number {
                    let _ = write!(out, "{number:x}");
                }
                Ok(number.is_some())
            })
        }
    }
}
