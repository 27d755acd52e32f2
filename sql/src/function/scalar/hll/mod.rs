//! HyperLogLog functions of single sketches; those over rows are aggregate functions.

mod hll_cardinality;
mod hll_combine_sketches;
pub(in crate::function) mod sketch;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &hll_cardinality::HLL_CARDINALITY,
    &hll_combine_sketches::HLL_COMBINE_SKETCHES,
    &sketch::SKETCH,
];
