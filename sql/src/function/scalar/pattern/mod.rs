//! Functions of regular expressions.

pub(in crate::function) mod blueshift_like_pattern;
mod blueshift_similar;
mod matcher;
mod program;
mod regexp_count;
mod regexp_instr;
mod regexp_replace;
mod regexp_substr;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &blueshift_like_pattern::BLUESHIFT_LIKE_PATTERN,
    &blueshift_similar::BLUESHIFT_SIMILAR,
    &regexp_count::REGEXP_COUNT,
    &regexp_instr::REGEXP_INSTR,
    &regexp_replace::REGEXP_REPLACE,
    &regexp_substr::REGEXP_SUBSTR,
];
