//! Functions of text.

mod charindex;
mod concat;
mod len;
mod split_part;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &charindex::CHARINDEX,
    &concat::CONCAT,
    &len::LEN,
    &split_part::SPLIT_PART,
];
