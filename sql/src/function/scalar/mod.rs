//! Scalar functions by family.

mod date;
mod format;
mod math;
mod string;

use super::declaration::Scalar;
pub(super) use date::calendar::{HOUR, MINUTE, SECOND, out_of_range};

/// Every family: its name in the manual, its functions.
pub(super) const FAMILIES: &[(&str, &[&Scalar])] = &[
    ("date and time", date::FUNCTIONS),
    ("type formatting", format::FUNCTIONS),
    ("math", math::FUNCTIONS),
    ("string", string::FUNCTIONS),
];
