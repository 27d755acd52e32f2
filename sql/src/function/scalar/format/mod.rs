//! Values to text and back by a format: PostgreSQL's format words, as Redshift documents them.

mod number_pattern;
mod number_read;
mod number_write;
mod pattern;
mod read;
pub(in crate::function) mod text;
mod to_char;
mod to_date;
mod to_number;
mod to_timestamp;
mod write;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &text::TEXT,
    &to_char::TO_CHAR,
    &to_date::TO_DATE,
    &to_number::TO_NUMBER,
    &to_timestamp::TO_TIMESTAMP,
];
