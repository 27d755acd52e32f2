//! Scalar functions by family.

mod conditional;
mod date;
mod format;
mod hash;
mod hll;
pub(super) mod json;
mod math;
mod pattern;
pub(super) mod semistructured;
mod string;
mod varbyte;

use super::declaration::Scalar;
pub(super) use date::calendar::{HOUR, MINUTE, SECOND, out_of_range};
pub(super) use date::read::{READ_DATE, READ_TIME, READ_TIMESTAMP, READ_TIMESTAMPTZ};
pub(super) use date::span;
pub(super) use format::text::TEXT;
pub(super) use hll::sketch::SKETCH;
pub(super) use json::scan::parse as json_value;
pub(super) use math::read_double::{READ_DOUBLE, READ_REAL};
pub(crate) use pattern::blueshift_like_pattern::with_backslash;

/// Writes bytes as Base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    varbyte::to_base64(bytes)
}

/// Reads Base64; `None` if it is none.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    varbyte::from_base64(text)
}

/// Every family: its name in the manual, its functions.
pub(super) const FAMILIES: &[(&str, &[&Scalar])] = &[
    ("conditional", conditional::FUNCTIONS),
    ("date and time", date::FUNCTIONS),
    ("type formatting", format::FUNCTIONS),
    ("hash", hash::FUNCTIONS),
    ("HyperLogLog", hll::FUNCTIONS),
    ("JSON", json::FUNCTIONS),
    ("math", math::FUNCTIONS),
    ("regular expression", pattern::FUNCTIONS),
    ("string", string::FUNCTIONS),
    ("SUPER", semistructured::FUNCTIONS),
    ("VARBYTE", varbyte::FUNCTIONS),
];
