//! Hashes and hexadecimal digits.

mod crc32;
mod farmfingerprint64;
mod fnv_hash;
mod hex;
mod md5;
mod sha1;
mod sha2;
mod to_hex;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &crc32::CRC32,
    &farmfingerprint64::FARMFINGERPRINT64,
    &fnv_hash::FNV_HASH,
    &md5::MD5,
    &sha1::SHA1,
    &sha2::SHA2,
    &to_hex::TO_HEX,
];
