//! Functions of numbers.

mod sign;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[&sign::SIGN];
