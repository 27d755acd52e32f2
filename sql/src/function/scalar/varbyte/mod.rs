//! Functions of VARBYTE.

mod coding;
mod from_hex;
mod from_varbyte;
mod to_varbyte;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &from_hex::FROM_HEX,
    &from_varbyte::FROM_VARBYTE,
    &to_varbyte::TO_VARBYTE,
];
