//! Functions of VARBYTE.

mod coding;
mod from_hex;
mod from_varbyte;
mod to_varbyte;

use crate::function::declaration::Scalar;

/// Writes bytes as Base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    coding::to_base64(bytes)
}

/// Reads Base64; `None` if it is none.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    coding::base64(text)
}

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &from_hex::FROM_HEX,
    &from_varbyte::FROM_VARBYTE,
    &to_varbyte::TO_VARBYTE,
];
