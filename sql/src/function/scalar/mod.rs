//! Scalar functions by family.

mod conditional;
mod date;
mod format;
mod hash;
mod json;
mod math;
mod pattern;
pub(super) mod semistructured;
mod string;
mod varbyte;

use super::declaration::Scalar;
pub(super) use date::calendar::{HOUR, MINUTE, SECOND, out_of_range};
pub(super) use date::read::{READ_DATE, READ_TIME, READ_TIMESTAMP, READ_TIMESTAMPTZ};
pub(super) use format::text::TEXT;
pub(crate) use pattern::blueshift_like_pattern::with_backslash;

/// Every family: its name in the manual, its functions.
pub(super) const FAMILIES: &[(&str, &[&Scalar])] = &[
    ("conditional", conditional::FUNCTIONS),
    ("date and time", date::FUNCTIONS),
    ("type formatting", format::FUNCTIONS),
    ("hash", hash::FUNCTIONS),
    ("JSON", json::FUNCTIONS),
    ("math", math::FUNCTIONS),
    ("regular expression", pattern::FUNCTIONS),
    ("string", string::FUNCTIONS),
    ("SUPER", semistructured::FUNCTIONS),
    ("VARBYTE", varbyte::FUNCTIONS),
];
