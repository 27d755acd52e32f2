//! Functions of numbers.

mod abs;
mod acos;
mod asin;
mod atan;
mod atan2;
mod cbrt;
mod ceil;
mod cos;
mod cot;
mod degrees;
mod double;
mod exp;
mod floor;
mod ln;
mod log;
mod pi;
mod power;
mod radians;
mod random;
pub(super) mod read_double;
mod round;
mod round_to;
mod sign;
mod sin;
mod sqrt;
mod tan;
mod trunc;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &abs::ABS,
    &acos::ACOS,
    &asin::ASIN,
    &atan::ATAN,
    &atan2::ATAN2,
    &cbrt::CBRT,
    &ceil::CEIL,
    &cos::COS,
    &cot::COT,
    &degrees::DEGREES,
    &exp::EXP,
    &floor::FLOOR,
    &ln::LN,
    &log::LOG,
    &pi::PI,
    &power::POWER,
    &radians::RADIANS,
    &random::RANDOM,
    &read_double::READ_DOUBLE,
    &read_double::READ_REAL,
    &round::ROUND,
    &sign::SIGN,
    &sin::SIN,
    &sqrt::SQRT,
    &tan::TAN,
    &trunc::TRUNC,
];
