//! What the hashes share: bytes of a text in, hexadecimal digits out.

use crate::error::Result;
use crate::function::call::Call;
use arrow::array::ArrayRef;
use arrow_schema::DataType;
use std::fmt::Write;

/// Appends bytes as hexadecimal digits.
pub(in crate::function) fn write(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// Appends something of the bytes of the first argument, a text or a VARBYTE; `digest` says whether it is not null.
pub(super) fn hashed(
    call: &Call<'_>,
    digest: impl Fn(&[u8], usize, &mut String) -> Result<bool>,
) -> Result<ArrayRef> {
    if call.ty(0) == DataType::BinaryView {
        let values = call.bytes(0)?;
        return call.build_text(|row, out| match values.at(row) {
            Some(bytes) => digest(bytes, row, out),
            None => Ok(false),
        });
    }
    let values = call.text(0)?;
    call.build_text(|row, out| match values.at(row) {
        Some(text) => digest(text.as_bytes(), row, out),
        None => Ok(false),
    })
}
