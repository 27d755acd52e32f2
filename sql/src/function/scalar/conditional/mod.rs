//! Functions that choose among values.

mod coalesce;
mod decode;
mod greatest;
mod least;
mod nullif;
mod nvl2;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &coalesce::COALESCE,
    &decode::DECODE,
    &greatest::GREATEST,
    &least::LEAST,
    &nullif::NULLIF,
    &nvl2::NVL2,
];
